// Writes a folder that torch.distributed.checkpoint loads: one __0_0.distcp with every item whole, and the
// .metadata that makes it a checkpoint.
#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "checkpoint/counted_sink.h"
#include "checkpoint/dcp_metadata.h"
#include "checkpoint/dcp_tree.h"
#include "checkpoint/flat_tensors.h"
#include "checkpoint/stored_tensor.h"
#include "checkpoint/writers.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/base/folder.h"
#include "sconce/base/staged_folder.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDataFile = "__0_0.distcp";

// The folder to write: links resolved, no '/' at the end.
fs::path target_of(const std::string& path) {
  std::error_code error;
  fs::path target = fs::exists(path, error) ? fs::canonical(path, error) : fs::path(path);
  require(!error && !target.empty(), ErrorCode::kInvalidArgument, "dcp", "expected the name of a folder");
  if (!target.has_filename()) target = target.parent_path();
  return target;
}

// Only what is a checkpoint, or nothing at all, may be replaced: never a folder that holds other things too.
void check_replaceable(const fs::path& target, bool replace) {
  std::error_code error;
  if (fs::symlink_status(target, error).type() == fs::file_type::not_found) return;
  require(fs::is_directory(target, error), ErrorCode::kExists, "dcp",
          "the output is a file, expected a folder");
  for (const std::string& name : folder_names(target.string())) {
    require(replace, ErrorCode::kExists, "dcp", "the output exists; replacing it was not asked for");
    const bool is_ours =
        name == dcp::kMetadataFile || name == cat(dcp::kMetadataFile, ".tmp") || name.ends_with(".distcp");
    std::error_code ignored;
    require(is_ours && !fs::is_directory(target / name, ignored), ErrorCode::kExists, "dcp",
            "the folder is not replaced: it holds '", escaped(name), "', which is no part of a checkpoint");
  }
}

// Everything else is pickled, as PyTorch does.
bool is_plain_tensor(const Value& value) {
  return is_dense_tensor(value) && !is_quantized(value.as_array().dtype());
}

// Contiguous, alone in a storage of its size.
Array own_storage(const Array& array) {
  const bool is_exact =
      array.is_contiguous() && array.offset() == 0 && array.storage().size() == array.nbytes();
  return is_exact ? array : array.clone();
}

class DataFile {
 public:
  DataFile(AtomicFile& file, std::uint64_t expected, const SaveOptions& options, SaveReport& report)
      : file_(file), counted_(file, done_, expected, options), options_(options), report_(report) {}

  dcp::Place write(const dcp::FlatLeaf& leaf, const Value& value) {
    SaveReport own;
    const auto planned = plan_torch_zip(value, options_, "archive", own);
    for (const std::string& warning : own.warnings) {
      report_.warnings.push_back(cat(escaped(leaf.name), ": ", warning));
    }
    const std::uint64_t offset = file_.position();
    planned->write(counted_);
    return {std::string(kDataFile), offset, file_.position() - offset};
  }

 private:
  AtomicFile& file_;
  std::uint64_t done_ = 0;
  CountedSink counted_;
  SaveOptions options_;
  SaveReport& report_;
};

// An object that is not written is left out like any other: its item would be empty.
bool is_left_out(const Value& value, const SaveOptions& options) {
  if (!value.is_object()) return false;
  SaveReport ignored;
  try {
    plan_torch_zip(value, options, "archive", ignored);
    return false;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return true;
  }
}

void note_sharing(const std::vector<dcp::FlatLeaf>& leaves, SaveReport& report) {
  std::vector<FlatTensor> tensors;
  for (const dcp::FlatLeaf& leaf : leaves) {
    if (is_plain_tensor(leaf.value)) tensors.push_back({leaf.name, leaf.value.as_array()});
  }
  const auto pairs = overlapping(tensors);
  if (pairs.empty()) return;
  report.warnings.push_back(cat(pairs.size(),
                                " tensors share memory with others and are written as copies, as '",
                                escaped(tensors[pairs.front().second].name), "' of '",
                                escaped(tensors[pairs.front().first].name), "'"));
}

std::vector<dcp::Item> write_data(DataFile& data, const std::vector<dcp::FlatLeaf>& leaves,
                                  const SaveOptions& options, SaveReport& report) {
  std::vector<std::optional<dcp::Item>> items(leaves.size());
  // Objects come first in the file, as PyTorch has it; the metadata keeps the order of the tree.
  for (const bool tensors : {false, true}) {
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const dcp::FlatLeaf& leaf = leaves[i];
      if (is_plain_tensor(leaf.value) != tensors) continue;
      dcp::Item item;
      item.name = leaf.name;
      item.path = leaf.path;
      item.is_tensor = tensors;
      if (!tensors) {
        if (is_left_out(leaf.value, options)) {
          report.warnings.push_back(
              cat("left out ", escaped(leaf.name), ": an object of class ",
                  escaped(cat(leaf.value.global_module(), ".", leaf.value.global_name()))));
          continue;
        }
        item.place = data.write(leaf, leaf.value);
      } else {
        const Array& array = leaf.value.as_array();
        require(array.defined(), ErrorCode::kInvalidArgument, "dcp", "tensor '", escaped(leaf.name),
                "' is undefined");
        if (!is_in_torch(array.dtype()))
          refuse_foreign(array.dtype(), "dcp", std::string(escaped(leaf.name)));
        item.dtype = array.dtype();
        item.size = array.shape();
        item.chunks.push_back(
            {Shape(array.rank()), array.shape(), data.write(leaf, Value(own_storage(array)))});
      }
      items[i] = std::move(item);
    }
  }
  std::vector<dcp::Item> out;
  for (auto& item : items) {
    if (item) out.push_back(*std::move(item));
  }
  return out;
}

}  // namespace

void save_dcp(const std::string& path, const Value& value, const SaveOptions& options, SaveReport& report) {
  const fs::path target = target_of(path);
  const std::string parent = target.parent_path().empty() ? "." : target.parent_path().string();
  const auto leaves = dcp::flattened(value, options.walk, report);
  check_replaceable(target, options.replace);
  note_sharing(leaves, report);

  StagedFolder staged(parent);
  AtomicFile data((fs::path(staged.path()) / kDataFile).string(), {.durable = options.durable});
  std::uint64_t expected = 0;
  for (const dcp::FlatLeaf& leaf : leaves) {
    if (is_plain_tensor(leaf.value) && leaf.value.as_array().defined())
      expected += leaf.value.as_array().nbytes();
  }
  data.reserve(expected);
  DataFile items_file(data, expected, options, report);
  const std::vector<dcp::Item> items = write_data(items_file, leaves, options, report);
  report.files.push_back({std::string(kDataFile), data.position()});
  data.commit();
  AtomicFile metadata((fs::path(staged.path()) / dcp::kMetadataFile).string(), {.durable = options.durable});
  metadata.write(dcp::write_metadata(items));
  report.files.push_back({std::string(dcp::kMetadataFile), metadata.position()});
  metadata.commit();
  for (const SavedFile& file : report.files) report.bytes += file.bytes;
  check_replaceable(target, options.replace);  // while the data was written, much may have happened
  staged.take_name(target.string(), options.durable);
}

}  // namespace sconce::checkpoint
