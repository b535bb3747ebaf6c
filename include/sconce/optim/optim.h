// Everything of the optim layer.
#pragma once

#include "sconce/optim/clip_grad.h"
#include "sconce/optim/lr_scheduler.h"
#include "sconce/optim/optimizer.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
