// The parts of examine(), one for each kind of container.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "checkpoint/source.h"
#include "checkpoint/trouble.h"
#include "sconce/checkpoint/examine.h"

namespace sconce::checkpoint {

struct Input;

// Of single files. They fill everything but `listing`, `format` and `file_size`.
void examine_zip(const Source& source, const LoadOptions& options, Examination& out);
// torch.save of PyTorch 1.5 and before, and plain pickles: pickles one after the other.
void examine_stream(const Source& source, const LoadOptions& options, Examination& out);
// One array of numpy.
void examine_npy(const Source& source, const LoadOptions& options, Examination& out);
// torch.save of PyTorch 0.1.
void examine_tar(const Source& source, const LoadOptions& options, Examination& out);

// Of sets: each of their files by itself, and `format` and `file_size` of all together.
void examine_index(const Source& source, const LoadOptions& options, Examination& out);
void examine_dcp(const Source& source, const LoadOptions& options, Examination& out);
void examine_sharded_safetensors(const Source& source, const LoadOptions& options, Examination& out);

// What open() gives, all of it. When its format is not known, the file at `path` is looked at as what it may
// have been; the Error is thrown when that is nothing.
Examination examine_opened(const std::function<Input()>& open, const std::string& path,
                           const LoadOptions& options);
Examination examine_input(const Input& input, const LoadOptions& options);

// Adds what was found in one part of a set: `name` stands before its records, and before its notes.
void add_part(Examination part, const std::string& name, Examination& out);
// Adds what look() finds, or that it cannot be read: then it is a damaged record. Errors: kIo,
// kPermission, kInterrupted.
void examine_part(const std::string& name, const std::function<Examination()>& look, Examination& out);

// Adds the pickle that an array of numpy with Python objects consists of, if `array` is one.
void add_object_pickle(const ByteSource& array, const std::string& record, const LoadOptions& options,
                       Examination& out);

Problem problem_of(const Error& error, const std::string& record = {});

// True when `head` begins like a pickle of protocol 2 or newer.
bool looks_like_pickle(std::span<const std::byte> head);

}  // namespace sconce::checkpoint
