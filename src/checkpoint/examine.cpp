#include "sconce/checkpoint/examine.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "checkpoint/examiners.h"
#include "checkpoint/listing_join.h"
#include "checkpoint/no_checkpoint.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/sniff.h"
#include "checkpoint/sparse_check.h"
#include "checkpoint/weights_only.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/codec/tar.h"

namespace sconce::checkpoint {
namespace {

constexpr std::string_view kSalvage = "'sconce salvage' writes the tensors that can be proven whole";

std::string advice_for(const Problem& problem, bool can_salvage) {
  if (!problem.advice.empty()) return problem.advice;
  if (!problem.limit.empty()) {
    return cat("the limit '", problem.limit, "' was reached; the library's LoadOptions can raise it");
  }
  switch (problem.code) {
    case ErrorCode::kTruncated:
      return cat("copy or download the file again", can_salvage ? "; " : "", can_salvage ? kSalvage : "");
    case ErrorCode::kChecksum:
    case ErrorCode::kCorrupt:
    case ErrorCode::kOverflow:
    case ErrorCode::kNotFound:
      return can_salvage ? std::string(kSalvage) : "";
    case ErrorCode::kUnsafe:
      return "do not load it in Python";
    default:
      return {};
  }
}

bool is_set(Format format) {
  return format == Format::kTorchIndex || format == Format::kSafetensorsIndex || format == Format::kDcp;
}

// Of formats without records the storages, which have no checksums: the listing has proven all that can be.
void list_storages(Examination& out) {
  std::set<std::size_t> seen;
  for (const TensorInfo& info : out.listing->tensors) {
    if (!seen.insert(info.storage).second) continue;
    out.records.push_back({info.name, info.file_offset, info.storage_bytes,
                           info.storage_bytes == 0 ? Integrity::kChecked : Integrity::kUnchecked});
  }
}

// The indices of sparse tensors: torch.load believes them, and what works on the tensor follows them. Parts
// that cannot be read are said of their records.
void check_sparse_tensors(Examination& out) {
  const Listing& listing = *out.listing;
  for (std::size_t i = 0; i < listing.tensors.size();) {
    const TensorInfo& first = listing.tensors[i];
    if (!first.sparse) {
      ++i;
      continue;
    }
    SparseLeaf leaf = *first.sparse;
    Shape values;
    bool is_read = true;
    for (; i < listing.tensors.size() && listing.tensors[i].sparse == first.sparse; ++i) {
      const TensorInfo& part = listing.tensors[i];
      try {
        if (part.role == "values") values = part.geometry.shape;
        if (part.role == "plain_indices") leaf.plain_indices = listing.read(i);
        if (part.role == "indices" || part.role == "compressed_indices") leaf.indices = listing.read(i);
      } catch (const Error&) {
        is_read = false;
      }
    }
    if (!is_read) continue;
    Problem problem;
    try {
      const std::string fault = sparse_fault(leaf, values);
      if (fault.empty()) continue;
      problem = problem_of(
          Error(ErrorCode::kCorrupt, "sparse",
                cat("the sparse tensor '", escaped(first.name), "' points outside itself: ", fault)),
          first.record);
    } catch (const Error& error) {
      problem = problem_of(error, first.record);
    }
    out.problems.push_back(std::move(problem));
  }
  listing.release();
}

// The safetensors package has no tensor of PyTorch to make of them.
void refuse_foreign_tensors(const Examination& out, weights_only::Verdicts& verdicts) {
  if (!out.listing) return;
  for (const TensorInfo& tensor : out.listing->tensors) {
    if (is_in_torch(tensor.dtype)) continue;
    return verdicts.refuse(weights_only::kEvery, cat("tensor '", escaped(tensor.name), "' has dtype ",
                                                     tensor.dtype, ", which PyTorch does not have"));
  }
}

void refuse_other_formats(const std::string& path, Examination& out) {
  using weights_only::kEvery;
  using weights_only::kTorch1_13;
  using weights_only::kTorch2_6;
  weights_only::Verdicts verdicts;
  if (out.format == Format::kSafetensors) {
    refuse_foreign_tensors(out, verdicts);
    verdicts.refuse(path.ends_with(".safetensors") ? kTorch1_13 | kTorch2_6 : kEvery,
                    "torch.load does not read safetensors; safetensors.torch.load_file does");
  } else {
    verdicts.refuse(kEvery, cat("torch.load does not read ", format_name(out.format)));
  }
  out.weights_only = verdicts.answers();
}

// The listing of a plain pickle holds the pickles inside its tensors, too, each a whole stream of one
// storage. So what loads them is as harmless as they are.
void add_inner_pickles(Examination& out) {
  out.pickles = out.listing->pickles;
  for (PickleFacts& pickle : out.pickles) {
    for (GlobalUse& global : pickle.globals) {
      if (global.module != "torch.storage" || global.name != "_load_from_bytes") continue;
      global.trust = Trust::kInert;
      global.why = "loads the pickles of storages, which are listed, too";
    }
  }
}

bool has_unknown_global(const Examination& out) {
  return std::any_of(out.pickles.begin(), out.pickles.end(), [](const PickleFacts& pickle) {
    return std::any_of(pickle.globals.begin(), pickle.globals.end(),
                       [](const GlobalUse& global) { return global.trust == Trust::kUnknown; });
  });
}

// Whether it is known already what a listing stopped at. Of sets, every file was looked at by itself; a file
// with faults in its structure cannot be listed, whatever words the set has for it.
bool is_known(const Problem& problem, const Examination& out) {
  return std::any_of(out.problems.begin(), out.problems.end(), [&](const Problem& known) {
    if (known.text == problem.text) return true;
    if (problem.record.empty() || known.code == ErrorCode::kChecksum) return false;
    const std::string_view record = known.record;
    if (!record.starts_with(problem.record)) return false;
    return record.size() == problem.record.size() || record[problem.record.size()] == ':' ||
           record[problem.record.size()] == ' ';
  });
}

// The listing proves that every tensor lies within its storage. Checksums are compared elsewhere. `unknown`
// is why no reader would list it.
void list(const Input& input, LoadOptions options, const std::optional<Error>& unknown, Examination& out) {
  options.check_crc = false;
  options.map = false;
  try {
    if (unknown) throw *unknown;
    out.listing = input.reader.list(input.source, options);
    out.listing->path = input.source.path;
    out.format = out.listing->format;
    for (const std::string& note : out.listing->notes) {
      if (std::find(out.notes.begin(), out.notes.end(), note) == out.notes.end()) out.notes.push_back(note);
    }
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    // In what is no checkpoint, what stands out all the same is reported. A set is one whatever its parts
    // are.
    const bool is_none = unknown || dynamic_cast<const NoCheckpoint*>(&error) != nullptr;
    const bool is_suspect = !out.problems.empty() || has_unknown_global(out) || is_set(out.format);
    if (is_none && !is_suspect) throw;
    const bool names_part = !error.path().empty() && error.path() != input.source.path;
    Problem problem =
        problem_of(error, names_part ? std::filesystem::path(error.path()).filename().string() : "");
    if (!is_known(problem, out)) out.problems.push_back(std::move(problem));
  }
}

Examination examine_known(const Input& input, const LoadOptions& options,
                          const std::optional<Error>& unknown) {
  const auto examine = input.reader.examine;
  const bool is_stream = examine == examine_stream;
  Examination out;
  out.format = input.reader.format;
  if (input.source.bytes) out.file_size = input.source.bytes->size();
  if (examine != nullptr) examine(input.source, options, out);
  // torch.load of 1.13 tries tar first, whatever the file begins with.
  if (is_stream && tar::is_tar(*input.source.bytes)) examine_tar(input.source, options, out);
  // Of streams and tar files a listing says no more than the first fault.
  if (out.problems.empty() || (!is_stream && examine != examine_tar)) list(input, options, unknown, out);
  if (out.listing && out.records.empty()) list_storages(out);
  // The files of an index have been looked at one by one.
  const bool is_index = out.format == Format::kTorchIndex || out.format == Format::kSafetensorsIndex;
  if (out.listing && !is_index) check_sparse_tensors(out);
  if (out.pickles.empty() && out.listing) out.pickles = out.listing->pickles;
  const bool is_plain = is_stream && out.pickles.size() == 1;
  if (is_plain && out.listing && out.problems.empty()) add_inner_pickles(out);
  if (out.weights_only.empty() || out.format == Format::kNpz) refuse_other_formats(input.source.path, out);
  return out;
}

// What was found in the one file of a folder, by the file's name.
Examination of_folder(Examination file, const std::string& name) {
  Examination out;
  out.format = file.format;
  out.file_size = file.file_size;
  out.listing = std::move(file.listing);
  out.weights_only = std::move(file.weights_only);
  for (WeightsOnly& answer : out.weights_only) {
    if (!answer.accepted) answer.record = record_of_part(name, answer.record);
  }
  add_part(std::move(file), name, out);
  return out;
}

}  // namespace

std::string_view integrity_name(Integrity integrity) {
  static constexpr std::array<std::string_view, 3> kNames = {"checked", "unchecked", "damaged"};
  return kNames[static_cast<std::size_t>(integrity)];
}

Problem problem_of(const Error& error, const std::string& record) {
  return {error.code(), cat("[", error.where(), "] ", error.text()), record, error.offset(), error.advice(),
          error.limit()};
}

bool looks_like_pickle(std::span<const std::byte> head) {
  return head.size() >= 2 && head[0] == std::byte{0x80} && head[1] >= std::byte{1} && head[1] <= std::byte{5};
}

Examination examine_input(const Input& input, const LoadOptions& options) {
  return examine_known(input, options, std::nullopt);
}

Examination examine_opened(const std::function<Input()>& open, const std::string& path,
                           const LoadOptions& options) {
  Input input;
  std::optional<Error> unknown;
  try {
    input = open();
  } catch (const Error& error) {
    std::error_code ignored;
    if (error.code() != ErrorCode::kUnsupported || !std::filesystem::is_regular_file(path, ignored)) throw;
    const auto file = std::make_shared<const File>(File::open(path));
    const std::optional<Reader> reader = guess_reader(*file);
    if (!reader) throw;
    input = {*reader, {file, nullptr, path}};
    unknown = error;
  }
  return examine_known(input, options, unknown);
}

Examination examine(const std::string& path, const LoadOptions& options) {
  try {
    const std::string file = file_at(path);
    const std::string& opened = file.empty() ? path : file;
    Examination out = examine_opened([&] { return open_input(opened, false); }, opened, options);
    if (opened != path && !is_set(out.format)) {
      out = of_folder(std::move(out), std::filesystem::path(file).filename().string());
    }
    const bool salvages = !out.problems.empty() && can_salvage(path, options);
    for (Problem& problem : out.problems) problem.advice = advice_for(problem, salvages);
    return out;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

}  // namespace sconce::checkpoint
