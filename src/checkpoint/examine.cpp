#include "sconce/checkpoint/examine.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "checkpoint/examiners.h"
#include "checkpoint/sparse_check.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/weights_only.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/file.h"
#include "sconce/codec/tar.h"

namespace sconce::checkpoint {
namespace {

constexpr std::uint64_t kFirstWindow = std::uint64_t{1} << 20;

std::string advice_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kTruncated:
      return "copy or download the file again; 'sconce salvage' writes the tensors that are still whole";
    case ErrorCode::kChecksum:
    case ErrorCode::kCorrupt:
      return "'sconce salvage' writes the tensors that can be proven whole";
    case ErrorCode::kUnsafe:
      return "do not load it in Python";
    case ErrorCode::kLimit:
      return "a limit was reached; the library's LoadOptions can raise it";
    default:
      return {};
  }
}

bool has_prefix(const ByteSource& source, std::string_view prefix) {
  if (source.size() < prefix.size()) return false;
  std::vector<std::byte> head(prefix.size());
  source.read_at(head, 0);
  return as_chars(head) == prefix;
}

// A zip whose first bytes are wrong still ends as one.
bool ends_like_zip(const ByteSource& source) {
  constexpr std::size_t kEnd = 22;
  if (source.size() < kEnd) return false;
  std::array<std::byte, 4> tail{};
  source.read_at(tail, source.size() - kEnd);
  return as_chars(tail) == std::string_view("PK\5\6", 4);
}

bool begins_like_stream(const ByteSource& source) {
  std::array<std::byte, 2> head{};
  if (source.size() < head.size()) return false;
  source.read_at(head, 0);
  return looks_like_pickle(head) || has_prefix(source, "L119547037146038801333356L");
}

// Formats whose readers know where each storage lies. What has a checksum is read; of the rest the listing
// has proven all that can be.
void read_storages(Examination& out) {
  const Listing& listing = *out.listing;
  std::map<std::size_t, bool> seen;
  for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
    const TensorInfo& info = listing.tensors[i];
    if (!seen.emplace(info.storage, true).second) continue;
    RecordFacts record{
        info.record.empty() ? info.name : info.record, info.file_offset, info.storage_bytes,
        info.has_checksum || info.storage_bytes == 0 ? Integrity::kChecked : Integrity::kUnchecked};
    try {
      if (info.has_checksum) listing.read(i);
    } catch (const Error& error) {
      record.integrity = Integrity::kDamaged;
      out.problems.push_back(problem_of(error, record.name));
    }
    out.records.push_back(std::move(record));
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

void refuse_other_formats(const std::string& path, Examination& out) {
  using weights_only::kEvery;
  using weights_only::kTorch1_13;
  using weights_only::kTorch2_6;
  weights_only::Verdicts verdicts;
  if (out.format == Format::kSafetensors) {
    verdicts.refuse(path.ends_with(".safetensors") ? kTorch1_13 | kTorch2_6 : kEvery,
                    "torch.load does not read safetensors; safetensors.torch.load_file does");
  } else {
    verdicts.refuse(kEvery, cat("torch.load does not read ", format_name(out.format)));
  }
  out.weights_only = verdicts.answers();
}

// Of a folder of torch.distributed.checkpoint the pickle that says what everything is: it has no checksum.
void examine_metadata(const std::string& folder, const LoadOptions& options, Examination& out) {
  const auto path = std::filesystem::path(folder) / ".metadata";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return;
  const File file = File::open(path.string());
  out.format = Format::kDcp;
  out.records.push_back({".metadata", 0, file.size(), Integrity::kUnchecked});
  if (!out.pickles.empty()) return;
  out.pickles.push_back(pickle_facts(".metadata", parse_in_window(file, 0, file.size(), options, 0).parsed));
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

// The listing proves that every tensor lies within its storage. Checksums are compared elsewhere.
void list(const std::string& path, LoadOptions options, Examination& out) {
  options.check_crc = false;
  options.map = false;
  try {
    out.listing = describe(path, options);
    out.format = out.listing->format;
    for (const std::string& note : out.listing->notes) out.notes.push_back(note);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kIo || error.code() == ErrorCode::kPermission) throw;
    const bool is_suspect = !out.problems.empty() || has_unknown_global(out);
    if (error.code() == ErrorCode::kUnsupported && !is_suspect) throw;
    // It stops at the first fault, which may be known.
    Problem problem = problem_of(error);
    const bool is_known = std::any_of(out.problems.begin(), out.problems.end(),
                                      [&](const Problem& known) { return known.text == problem.text; });
    if (!is_known) out.problems.push_back(std::move(problem));
  }
}

}  // namespace

std::string_view integrity_name(Integrity integrity) {
  static constexpr std::array<std::string_view, 3> kNames = {"checked", "unchecked", "damaged"};
  return kNames[static_cast<std::size_t>(integrity)];
}

Problem problem_of(const Error& error, const std::string& record) {
  return {error.code(), cat("[", error.where(), "] ", error.text()), record, error.offset(),
          advice_for(error.code())};
}

bool looks_like_pickle(std::span<const std::byte> head) {
  return head.size() >= 2 && head[0] == std::byte{0x80} && head[1] >= std::byte{1} && head[1] <= std::byte{5};
}

WindowedPickle parse_in_window(const ByteSource& source, std::uint64_t begin, std::uint64_t limit,
                               const LoadOptions& options, std::uint64_t base_offset) {
  const std::uint64_t most =
      std::min({limit, source.size() - std::min(begin, source.size()), options.pickle_bytes});
  const pickle::Limits limits = pickle_limits(options, most, most);
  for (std::uint64_t size = std::min(most, kFirstWindow);; size = std::min(most, 4 * size)) {
    std::vector<std::byte> window(static_cast<std::size_t>(size));
    source.read_at(window, begin);
    const std::span<const std::byte> bytes = window;
    pickle::Parsed parsed = pickle::parse_at({bytes, nullptr, base_offset}, 0, limits);
    const bool wants_more = parsed.error && parsed.error->code() == ErrorCode::kTruncated && size < most;
    if (wants_more) continue;
    const std::uint64_t end = begin + parsed.end;
    return {std::move(window), std::move(parsed), end};
  }
}

Examination examine(const std::string& path, const LoadOptions& options) {
  try {
    Examination out;
    std::shared_ptr<const File> file;
    bool is_zip = false;
    bool is_stream = false;
    bool is_tar = false;
    try {
      file = std::make_shared<const File>(File::open(path));
      is_zip = has_prefix(*file, std::string_view("PK\3\4", 4)) || ends_like_zip(*file);
      is_stream = !is_zip && begins_like_stream(*file);
      is_tar = tar::is_tar(*file);
      out.file_size = file->size();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;  // that is a folder
    }
    if (is_zip) examine_zip(file, options, out);
    if (is_stream) examine_stream(file, options, out);
    if (is_tar) examine_tar(file, options, out);
    const bool is_known = is_zip || is_stream || is_tar;
    if (is_zip || out.problems.empty()) list(path, options, out);
    if (out.listing && !is_zip) read_storages(out);
    if (out.listing) check_sparse_tensors(out);
    if (out.listing && out.file_size == 0) out.file_size = out.listing->file_size;
    if (out.pickles.empty() && out.listing) out.pickles = out.listing->pickles;
    if (!file && (!out.listing || out.format == Format::kDcp)) examine_metadata(path, options, out);
    const bool is_plain = is_stream && out.pickles.size() == 1;
    if (is_plain && out.listing && out.problems.empty()) add_inner_pickles(out);
    if (!is_known || out.format == Format::kNpz) refuse_other_formats(path, out);
    return out;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

}  // namespace sconce::checkpoint
