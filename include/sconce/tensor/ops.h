// Every general operation on tensors.
#pragma once

#include "sconce/tensor/autograd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/indexing.h"
#include "sconce/tensor/matmul.h"
#include "sconce/tensor/promote.h"
#include "sconce/tensor/random.h"
#include "sconce/tensor/reduce.h"
#include "sconce/tensor/tensor.h"
