#include "checkpoint/sniff.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <vector>

#include "checkpoint/dcp_metadata.h"
#include "checkpoint/examiners.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/index_file.h"
#include "checkpoint/readers.h"
#include "checkpoint/salvagers.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/folder.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::size_t kHeadBytes = 512;

// The magic number of the stream format as pickles of protocol 2 and up write it.
constexpr std::string_view kStreamMagic = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19"sv;

bool is_legacy_stream(std::string_view head) {
  if (head.starts_with("L119547037146038801333356L")) return true;
  if (!head.starts_with('\x80')) return false;
  // PROTO and its number, then in newer protocols a FRAME of nine bytes; the file may end anywhere.
  const auto behind = [head](std::size_t n) { return head.substr(std::min(n, head.size())); };
  return behind(2).starts_with(kStreamMagic) ||
         (behind(2).starts_with('\x95') && behind(2 + 9).starts_with(kStreamMagic));
}
bool is_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}
// Protocols 0 and 1 have no mark of their own. Containers and objects begin with one of a few opcodes, and
// what follows must make sense as far as the head goes; a file that ends within the head must be a whole
// pickle.
bool is_old_pickle(std::string_view head) {
  if (head.empty() || "(}])c"sv.find(head[0]) == std::string_view::npos) return false;
  const auto parsed = pickle::parse_at({as_byte_span(head)}, 0);
  if (!parsed.error) return true;
  return head.size() == kHeadBytes && parsed.error->code() == ErrorCode::kTruncated;
}
bool is_tar(std::string_view head) { return head.size() >= 262 && head.substr(257, 5) == "ustar"; }
// numpy writes no folder, and every record is an array.
bool names_array(std::string_view local_header) {
  constexpr std::size_t kLocalHeader = 30;
  constexpr std::size_t kNameLength = 26;
  if (local_header.size() < kLocalHeader) return false;
  const auto length =
      ByteReader(as_byte_span(local_header.substr(kNameLength)), "zip").little<std::uint16_t>();
  return local_header.substr(kLocalHeader, length).ends_with(".npy");
}
bool is_npz(std::string_view head) { return head.starts_with("PK\3\4"sv) && names_array(head); }
bool is_safetensors(std::string_view head) {
  if (head.size() < 9 || head[8] != '{') return false;
  const auto size = ByteReader(as_byte_span(head), "safetensors").little<std::uint64_t>();
  return size >= 2 && size <= (std::uint64_t{1} << 40);
}
bool is_zeros(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) { return c == 0; });
}
bool is_mobile_script(std::string_view head) { return head.size() >= 8 && head.substr(4, 4) == "PTMF"; }
// A protobuf ModelProto: ir_version, which is 3 or more since ONNX 1.0, then another field of it. The
// version is what tells it from TensorFlow's SavedModel.
bool is_onnx(std::string_view head) {
  constexpr std::string_view kNextFields = "\x12\x1A\x22\x28\x32\x3A\x42"sv;
  return head.size() > 2 && head[0] == '\x08' && head[1] >= 3 && head[1] < 32 &&
         kNextFields.find(head[2]) != std::string_view::npos;
}
// The first letters of a text, small ones, behind the mark of UTF-8 and spaces.
std::string first_letters(std::string_view head) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF"sv;
  if (head.starts_with(kMark)) head.remove_prefix(kMark.size());
  head.remove_prefix(std::min(head.find_first_not_of(" \r\n\t"), head.size()));
  std::string out(head.substr(0, 16));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}
bool is_xml(std::string_view head) { return first_letters(head).starts_with("<?xml"); }
bool is_html(std::string_view head) {
  const std::string letters = first_letters(head);
  if (letters.starts_with("<!doctype html") || letters.starts_with("<html")) return true;
  return is_xml(head) && head.find("<html") != std::string_view::npos;  // XHTML
}
bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

bool is_json_object(std::string_view head) {
  const std::size_t begin = head.find_first_not_of(" \r\n\t");
  return begin != std::string_view::npos && head[begin] == '{' && is_text(head);
}

constexpr Reader kTorchZipReader = {Format::kTorchZip, load_torch_zip,        list_torch_zip,
                                    salvage_torch_zip, can_salvage_torch_zip, examine_zip};
constexpr Reader kNpzReader = {Format::kNpz, load_npz, list_npz, salvage_npz, can_salvage_npz, examine_zip};
constexpr Reader kPlainPickle = {Format::kTorchLegacy, load_plain_pickle, list_plain_pickle, nullptr, nullptr,
                                 examine_stream};

struct SniffRow {
  std::string_view prefix;                 // matches when the file begins with it ...
  bool (*matches)(std::string_view head);  // ... or when this says so
  std::string_view what;                   // for formats without a reader
  Reader reader;
};

// Files: the first row that matches decides. A new format is a reader in its row.
constexpr SniffRow kSniffRows[] = {
    {""sv, is_npz, "", kNpzReader},
    {"PK\3\4"sv, nullptr, "", kTorchZipReader},
    {"PK\5\6"sv, nullptr, "an empty zip archive; get it anew", {}},
    {""sv,
     is_legacy_stream,
     "",
     {Format::kTorchLegacy, load_torch_legacy, list_torch_legacy, salvage_torch_legacy,
      can_salvage_torch_legacy, examine_stream}},
    {""sv, is_tar, "", {Format::kTorchTar, load_torch_tar, list_torch_tar, nullptr, nullptr, examine_tar}},
    {""sv,
     is_safetensors,
     "",
     {Format::kSafetensors, load_safetensors, list_safetensors, salvage_safetensors,
      can_salvage_safetensors}},
    {"PYTORCH1"sv,
     nullptr,
     "a TorchScript preview file, which is not supported; the PyTorch that wrote it can save its state_dict",
     {}},
    {""sv,
     is_mobile_script,
     "a TorchScript module for mobile devices (flatbuffer), which is not supported; save the state_dict "
     "of the module it was made of",
     {}},
    {""sv, is_pickle, "", kPlainPickle},
    {"\x89HDF"sv,
     nullptr,
     "an HDF5 file (Keras?), not a PyTorch checkpoint; h5py reads it, and numpy.savez writes its arrays",
     {}},
    {"\x93NUMPY"sv, nullptr, "", {Format::kNpz, load_npy, list_npy, nullptr, nullptr, examine_npy}},
    {""sv,
     is_onnx,
     "an ONNX model, not a PyTorch checkpoint; the package onnx reads it, and numpy.savez writes its weights",
     {}},
    {"GGUF"sv, nullptr, "a GGUF file, not a PyTorch checkpoint; get the model as safetensors", {}},
    {"\x1F\x8B"sv, nullptr, "gzip-compressed; unpack it first", {}},
    {"BZh"sv, nullptr, "bzip2-compressed; unpack it first", {}},
    {"\xFD"
     "7zXZ"sv,
     nullptr,
     "xz-compressed; unpack it first",
     {}},
    {"\x28\xB5\x2F\xFD"sv, nullptr, "zstd-compressed; unpack it first", {}},
    {"7z\xBC\xAF"sv, nullptr, "a 7z archive; unpack it first", {}},
    {"version https://git-lfs.github.com/spec/"sv,
     nullptr,
     "a Git LFS pointer, not the file itself; run 'git lfs pull'",
     {}},
    {""sv,
     is_html,
     "an HTML page: the download gave a web page instead of the file; look whether it wants a login "
     "or has the true link",
     {}},
    {""sv,
     is_xml,
     "an XML document: the download gave an error message (of S3, say) instead of the file? Look what "
     "it says",
     {}},
    {""sv, is_old_pickle, "", kPlainPickle},
    {""sv, is_zeros, "zero bytes at its beginning: an incomplete download or copy? Get it anew", {}},
    {""sv,
     is_json_object,
     "",
     {Format::kSafetensorsIndex, load_index, list_index, salvage_index, can_salvage_index, examine_index}},
    {""sv, is_text, "a text file, not a checkpoint; look whether it says why the download failed", {}},
};

std::string head_of(const ByteSource& source) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(kHeadBytes, source.size())), '\0');
  source.read_at(std::as_writable_bytes(std::span(head)), 0);
  return head;
}

Reader reader_for(const ByteSource& source) {
  require(source.size() > 0, ErrorCode::kUnsupported, "checkpoint", "the file is empty; get it anew");
  const std::string head = head_of(source);
  for (const SniffRow& row : kSniffRows) {
    const bool matches = row.matches ? row.matches(head) : head.starts_with(row.prefix);
    if (!matches) continue;
    require(row.reader.load != nullptr, ErrorCode::kUnsupported, "checkpoint", "the file is ", row.what);
    return row.reader;
  }
  fail(ErrorCode::kUnsupported, "checkpoint",
       "the file is not a checkpoint of a format that is known: expected what torch.save, torch.jit.save, "
       "safetensors or numpy write; if it is one, its beginning is damaged: get it anew");
}

bool is_dcp(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(folder / dcp::kMetadataFile, ignored));
}

// What the Hugging Face writer of torch.distributed.checkpoint leaves when it does not put the parts
// together.
bool is_sharded_safetensors(const fs::path& folder) {
  bool has_shards = false;
  for (const std::string& name : folder_names(folder.string())) {
    if (name.ends_with(kIndexSuffix)) return false;
    has_shards = has_shards || (name.starts_with("shard-") && name.ends_with(".safetensors"));
  }
  return has_shards;
}

// Folders that are one checkpoint; the first row that matches decides.
struct FolderRow {
  bool (*matches)(const fs::path& folder);
  Reader reader;
};

constexpr FolderRow kFolderRows[] = {
    {is_dcp, {Format::kDcp, load_dcp, list_dcp, salvage_dcp, can_salvage_dcp, examine_dcp}},
    {is_sharded_safetensors,
     {Format::kDcp, load_sharded_safetensors, list_sharded_safetensors, nullptr, nullptr,
      examine_sharded_safetensors}},
};

// Names under which libraries keep the one checkpoint of a folder.
constexpr std::string_view kWellKnown[] = {
    "model.safetensors",
    "pytorch_model.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
};

// The one file of a folder that stands for it: its index or, without one, a checkpoint of a well-known name.
std::string file_standing_for(const fs::path& folder) {
  std::vector<std::string> indexes;
  std::vector<std::string> singles;
  for (const std::string& name : folder_names(folder.string())) {
    if (name.ends_with(kIndexSuffix)) indexes.push_back(name);
    if (std::find(std::begin(kWellKnown), std::end(kWellKnown), name) != std::end(kWellKnown)) {
      singles.push_back(name);
    }
  }
  std::vector<std::string>& found = indexes.empty() ? singles : indexes;
  require(
      !found.empty(), ErrorCode::kUnsupported, "checkpoint",
      "the folder is not a checkpoint: it has no .metadata (torch.distributed.checkpoint), no *.index.json "
      "and no file such as model.safetensors or pytorch_model.bin");
  require(found.size() == 1, ErrorCode::kUnsupported, "checkpoint",
          "the folder has more than one checkpoint: '", escaped(found.front()), "', '", escaped(found.back()),
          "'; name the one to read");
  return file_in_folder(folder.string(), found.front());
}

bool is_whole_zip(const std::shared_ptr<const ByteSource>& source) {
  try {
    const zip::Reader reader(source);
    return true;
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    return false;
  }
}

Input open_file(const std::string& path, bool map) {
  auto file = std::make_shared<File>(File::open(path));
  Source source{file, map && file->size() > 0 ? std::make_shared<MappedFile>(*file) : nullptr, path};
  const Reader reader = reader_for(*file);
  // One item alone is a zip that can be read; of several only the name tells that they are no damaged one.
  require(!path.ends_with(".distcp") || reader.load != load_torch_zip || is_whole_zip(file),
          ErrorCode::kUnsupported, "checkpoint",
          "the file is a part of a torch.distributed.checkpoint; name its folder, where .metadata is");
  return {reader, std::move(source)};
}

// What a folder is read by as a whole; null when one file stands for it.
const Reader* reader_for_folder(const fs::path& folder) {
  const auto row = std::find_if(std::begin(kFolderRows), std::end(kFolderRows),
                                [&](const FolderRow& candidate) { return candidate.matches(folder); });
  return row == std::end(kFolderRows) ? nullptr : &row->reader;
}

// Calls look(); what the file system throws becomes an Error.
template <class Look>
auto in_file_system(const Look& look) {
  try {
    return look();
  } catch (const fs::filesystem_error& failed) {
    fail(failed.code() == std::errc::permission_denied ? ErrorCode::kPermission : ErrorCode::kIo,
         "checkpoint", "cannot read the folder: ", failed.code().message());
  }
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// A zip whose first bytes are wrong still ends as one.
bool ends_like_zip(const ByteSource& source) {
  constexpr std::size_t kEnd = 22;
  if (source.size() < kEnd) return false;
  std::array<std::byte, 4> tail{};
  source.read_at(tail, source.size() - kEnd);
  return as_chars(tail) == "PK\5\6"sv;
}

}  // namespace

Input open_input(const std::string& path, bool map) {
  if (!is_folder(path)) return open_file(path, map);
  return in_file_system([&]() -> Input {
    if (const Reader* reader = reader_for_folder(path)) return {*reader, {nullptr, nullptr, path}};
    return open_file(file_standing_for(path), map);
  });
}

std::string file_at(const std::string& path) {
  if (!is_folder(path)) return path;
  return in_file_system(
      [&] { return reader_for_folder(path) != nullptr ? std::string() : file_standing_for(path); });
}

std::optional<Reader> guess_reader(const ByteSource& source) {
  const std::string head = head_of(source);
  if (head.starts_with("PK\3\4"sv)) return std::nullopt;  // known, and refused for what it is
  if (ends_like_zip(source)) return names_array(head) ? kNpzReader : kTorchZipReader;
  return looks_like_pickle(as_byte_span(head)) ? std::optional(kPlainPickle) : std::nullopt;
}

Input open_input(std::span<const std::byte> bytes) {
  Source source{std::make_shared<MemorySource>(bytes), nullptr, {}};
  const Reader reader = reader_for(*source.bytes);
  return {reader, std::move(source)};
}

}  // namespace sconce::checkpoint
