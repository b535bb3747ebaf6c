// Looking for what is wrong with a folder of torch.distributed.checkpoint: each item is a file of torch.save.
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

#include "checkpoint/dcp_folder.h"
#include "checkpoint/dcp_tree.h"
#include "checkpoint/examiners.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/readers.h"
#include "checkpoint/sniff.h"
#include "sconce/base/checked.h"
#include "sconce/base/folder.h"

namespace sconce::checkpoint {
namespace {

// As a part of a set: whatever its listing refuses is then a fault.
constexpr Reader kItemReader = {Format::kDcp, load_torch_zip, list_torch_zip, nullptr, nullptr, examine_zip};

// The pickle that says what everything is, which has no checksum. nullopt when it cannot be read.
std::optional<dcp::Metadata> examine_metadata(const std::string& folder, const LoadOptions& options,
                                              Examination& out) {
  std::optional<dcp::Metadata> metadata;
  examine_part(
      std::string(dcp::kMetadataFile),
      [&] {
        Examination part;
        const File file = File::open(file_in_folder(folder, dcp::kMetadataFile));
        out.file_size = file.size();
        part.records.push_back({"", 0, file.size(), Integrity::kUnchecked});
        part.pickles.push_back(pickle_facts("", parse_in_window(file, 0, file.size(), options, 0).parsed));
        try {
          metadata = dcp::read_metadata(file, options);
        } catch (const Error& error) {
          if (is_trouble(error)) throw;
          part.problems.push_back(problem_of(error));
        }
        return part;
      },
      out);
  return metadata;
}

class FolderExamination {
 public:
  FolderExamination(std::string path, const LoadOptions& options, Examination& out)
      : path_(std::move(path)), options_(options), out_(out) {}

  void examine(const dcp::Item& item) {
    if (!item.is_tensor) examine(item, item.place);
    for (const dcp::Chunk& chunk : item.chunks) {
      dcp::Item alone = item;
      alone.chunks = {chunk};
      examine(alone, chunk.place);
    }
  }

 private:
  // `item` has nothing but this place.
  void examine(const dcp::Item& item, const dcp::Place& place) {
    if (!seen_.emplace(place.file, place.offset, place.length).second) return;
    // Of a file that is not there once is enough.
    if (!is_there(place.file)) return;
    examine_part(
        cat(place.file, " at byte ", place.offset),
        [&] {
          dcp::Metadata alone;
          alone.items.push_back(item);
          const dcp::Folder folder(path_, std::move(alone), dcp::Storing::kTorchZip, options_);
          Examination part = examine_input({kItemReader, folder.source(place)}, options_);
          for (RecordFacts& record : part.records) record.offset += place.offset;
          part.notes.clear();  // the listing of the folder has them, once for all items
          return part;
        },
        out_);
  }

  bool is_there(const std::string& name) {
    const auto entry = files_.try_emplace(name, false);
    bool& is_found = entry.first->second;
    if (!entry.second) return is_found;
    examine_part(
        name,
        [&] {
          const File file = File::open(file_in_folder(path_, name));
          out_.file_size = checked_add(out_.file_size, file.size(), "dcp");
          is_found = true;
          return Examination();
        },
        out_);
    return is_found;
  }

  std::string path_;
  const LoadOptions& options_;
  Examination& out_;
  std::map<std::string, bool> files_;  // whether they can be opened
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> seen_;
};

}  // namespace

void examine_dcp(const Source& source, const LoadOptions& options, Examination& out) {
  const auto metadata = examine_metadata(source.path, options, out);
  if (!metadata) return;
  FolderExamination folder(source.path, options, out);
  for (const dcp::Item& item : metadata->items) folder.examine(item);
}

void examine_sharded_safetensors(const Source& source, const LoadOptions& options, Examination& out) {
  for (const std::string& name : folder_names(source.path)) {
    if (!name.ends_with(".safetensors")) continue;
    examine_part(
        name,
        [&] {
          const std::string path = file_in_folder(source.path, name);
          Examination part = examine_opened([&] { return open_input(path, false); }, path, options);
          out.file_size = checked_add(out.file_size, part.file_size, "dcp");
          return part;
        },
        out);
  }
}

}  // namespace sconce::checkpoint
