// EXPECT_ERROR: a statement throws sconce::Error with a given code.
#pragma once

#include <gtest/gtest.h>

#include "sconce/base/error.h"

#define EXPECT_ERROR(statement, expected_code)                                                   \
  try {                                                                                          \
    statement;                                                                                   \
    ADD_FAILURE() << "expected an Error " << ::sconce::error_code_name(expected_code);           \
  } catch (const ::sconce::Error& error) {                                                       \
    EXPECT_EQ(::sconce::error_code_name(error.code()), ::sconce::error_code_name(expected_code)) \
        << error.what();                                                                         \
  }
