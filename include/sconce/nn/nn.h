// Everything of the nn layer.
#pragma once

#include "sconce/nn/activation.h"
#include "sconce/nn/batch_norm2d.h"
#include "sconce/nn/conv2d.h"
#include "sconce/nn/copy.h"
#include "sconce/nn/dropout.h"
#include "sconce/nn/functional.h"
#include "sconce/nn/init.h"
#include "sconce/nn/linear.h"
#include "sconce/nn/loss.h"
#include "sconce/nn/module.h"
#include "sconce/nn/pooling.h"
#include "sconce/nn/sequential.h"
#include "sconce/nn/shape_layers.h"
