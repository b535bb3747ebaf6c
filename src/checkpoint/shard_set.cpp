#include "checkpoint/shard_set.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "checkpoint/folder_file.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/base/interrupt.h"
#include "sconce/codec/json.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostIndexBytes = 100'000'000;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// The shards of the set that the index in the folder stands for; none when it cannot be read.
std::set<std::string> shards_of(const fs::path& index) {
  std::set<std::string> out;
  if (!is_there(index)) return out;
  try {
    const auto bytes = read_file(index.string(), kMostIndexBytes);
    const json::Json root = json::parse(as_chars(bytes));
    for (const auto& [tensor, file] : root.at("weight_map").as_object()) {
      check_file_name(file.as_string());
      out.insert(file.as_string());
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted) throw;
    out.clear();  // not an index: nothing belongs to it
  }
  return out;
}

[[noreturn]] void fail_filesystem(const fs::path& path, const std::error_code& error) {
  throw Error(error == std::errc::permission_denied    ? ErrorCode::kPermission
              : error == std::errc::no_space_on_device ? ErrorCode::kNoSpace
                                                       : ErrorCode::kIo,
              "file", cat("cannot write: ", error.message()))
      .in_file(path.string());
}

void move(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail_filesystem(to, error);
}

// `to`, which nothing refers to now, becomes a second name of `from` or, where files have one name only, a
// copy.
void link_or_copy(const fs::path& from, const fs::path& to, bool durable) {
  std::error_code error;
  fs::remove(to, error);
  fs::create_hard_link(from, to, error);
  if (!error) return;
  const MappedFile bytes(File::open(from.string()));
  AtomicFile copy(to.string(), {.durable = durable});
  copy.write(bytes.bytes());
  copy.commit();
}

void write_index(const ShardSet& set, const std::vector<std::string>& names, bool durable) {
  AtomicFile file((fs::path(set.folder) / set.index).string(), {.durable = durable});
  file.write(set.index_text(names));
  file.commit();
}

// Removes what it was given unless it is told to keep it.
class Moved {
 public:
  ~Moved() {
    std::error_code ignored;
    for (const fs::path& path : paths_) fs::remove(path, ignored);
  }
  Moved() = default;
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  void add(fs::path path) { paths_.push_back(std::move(path)); }
  void keep() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

}  // namespace

void require_absent(const ShardSet& set) {
  const fs::path folder(set.folder);
  const auto check = [&](const std::string& name) {
    if (!is_there(folder / name)) return;
    throw Error(ErrorCode::kExists, "save", "the output exists; replacing it was not asked for")
        .in_file((folder / name).string());
  };
  check(set.index);
  for (const std::string& name : set.shards) check(name);
}

void publish(const ShardSet& set, const StagedFolder& staged, bool durable) {
  throw_if_stop_requested();
  const fs::path folder(set.folder);
  const std::set<std::string> old = shards_of(folder / set.index);
  const bool is_free = std::none_of(set.shards.begin(), set.shards.end(),
                                    [&](const std::string& name) { return is_there(folder / name); });
  // Where names are taken, the new files stand beside the old ones first, under names that nobody has.
  std::vector<std::string> names = set.shards;
  if (!is_free) {
    for (std::string& name : names) name = cat(fs::path(staged.path()).stem().string(), "-", name);
  }
  Moved moved;
  for (std::size_t i = 0; i < names.size(); ++i) {
    move(fs::path(staged.path()) / set.shards[i], folder / names[i]);
    moved.add(folder / names[i]);
  }
  if (durable) sync_folder(set.folder);
  write_index(set, names, durable);
  moved.keep();
  if (!is_free) {
    for (std::size_t i = 0; i < names.size(); ++i)
      link_or_copy(folder / names[i], folder / set.shards[i], durable);
    if (durable) sync_folder(set.folder);
    write_index(set, set.shards, durable);
    for (const std::string& name : names) moved.add(folder / name);
  }
  for (const std::string& name : old) {
    const bool is_new = std::find(set.shards.begin(), set.shards.end(), name) != set.shards.end();
    const bool is_ours = set.is_shard_name(name) || name.starts_with(".sconce-");
    if (!is_new && is_ours) moved.add(folder / name);
  }
}

}  // namespace sconce::checkpoint
