// Where a command writes to, and what that says about the format.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "sconce/checkpoint/format.h"

namespace sconce::cli {

// True for the name of an index, which asks for a set of files.
bool is_index(const std::string& path);

// The format a path asks for: .safetensors, .npz, a folder or a trailing slash for dcp, torch-zip otherwise.
checkpoint::Format format_of_output(const std::string& path);

// "--to torch|torch-legacy|safetensors|dcp|npz".
CLI::Option* add_format_option(CLI::App& app, std::optional<checkpoint::Format>& format);

// Error kExists when a file is at `path` and replacing it was not asked for: before any work is done.
void refuse_existing(const std::string& path, bool force);

}  // namespace sconce::cli
