// Everything of the library, for programs that train. Programs that only read and write checkpoints include
// sconce/checkpoint/load.h and save.h and link sconce::checkpoint.
#pragma once

#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/data/cifar10.h"
#include "sconce/data/data_loader.h"
#include "sconce/data/synthetic_shapes.h"
#include "sconce/data/transforms.h"
#include "sconce/nn/nn.h"
#include "sconce/optim/optim.h"
#include "sconce/state/repr.h"
#include "sconce/tensor/ops.h"
