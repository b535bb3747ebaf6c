// What a durable save promises of a power cut: the bytes are on disk before their name is, and then the name.
// The calls are seen by standing in for the C library's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/temporary_folder.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

struct FileEvent {
  bool is_sync;      // or a file, which `name` names now
  std::string name;  // empty for what was synced: it may have none
  ino_t inode;
  off_t size;
};

// Of one save; null outside.
std::vector<FileEvent>* file_events = nullptr;
bool links_are_refused = false;

long note_sync(int descriptor, long result) {
  struct stat info {};
  if (file_events != nullptr && result == 0 && ::fstat(descriptor, &info) == 0)
    file_events->push_back({true, {}, info.st_ino, info.st_size});
  return result;
}

long note_name(const char* name, long result) {
  struct stat info {};
  if (file_events != nullptr && result == 0 && ::stat(name, &info) == 0)
    file_events->push_back({false, name, info.st_ino, info.st_size});
  return result;
}

}  // namespace
}  // namespace sconce::checkpoint

namespace events = sconce::checkpoint;

extern "C" {

int fsync(int descriptor) {
  return static_cast<int>(events::note_sync(descriptor, ::syscall(SYS_fsync, descriptor)));
}
int fdatasync(int descriptor) {
  return static_cast<int>(events::note_sync(descriptor, ::syscall(SYS_fdatasync, descriptor)));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  const long result = ::syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
  return static_cast<int>(events::note_name(to, result));
}
int rename(const char* from, const char* to) noexcept { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  const long result = ::syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  return static_cast<int>(events::note_name(to, result));
}
int link(const char* from, const char* to) noexcept {
  if (events::links_are_refused) {
    errno = EPERM;
    return -1;
  }
  return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

}  // extern "C"

namespace sconce::checkpoint {
namespace {

class Durable : public TemporaryFolder {
 protected:
  void TearDown() override {
    file_events = nullptr;
    links_are_refused = false;
  }

  void saved(const std::string& name, const SaveOptions& options = {}) {
    events_.clear();
    file_events = &events_;
    const Array numbers = Array::full({1000}, ++saves_, kFloat32);
    save(path(name), Value::dict({{"a", numbers}, {"b", numbers.clone()}}), options);
    file_events = nullptr;
  }

  // When the file that is there now got this name.
  std::size_t named(const std::string& name) const {
    for (std::size_t i = events_.size(); i-- > 0;) {
      if (!events_[i].is_sync && events_[i].name == path(name)) return i;
    }
    ADD_FAILURE() << name << " got no name";
    return 0;
  }
  // Whether a file, as long as it is now, or a folder was synced in [begin, end).
  bool synced(const std::string& file, std::size_t begin, std::size_t end) const {
    struct stat info {};
    EXPECT_EQ(::stat(file.c_str(), &info), 0) << file;
    for (std::size_t i = begin; i < end; ++i) {
      const FileEvent& event = events_[i];
      if (event.is_sync && event.inode == info.st_ino &&
          (S_ISDIR(info.st_mode) || event.size == info.st_size))
        return true;
    }
    return false;
  }
  void expect_durable(const std::string& name) const {
    SCOPED_TRACE(name);
    const std::size_t at = named(name);
    EXPECT_TRUE(synced(path(name), 0, at)) << "the data came after the name, or never";
    EXPECT_TRUE(synced(folder_.string(), at, events_.size())) << "the name never came";
  }
  // The shards, and their names, are there before the index tells of them.
  void expect_durable_shards(const std::string& stem, const std::string& ending) const {
    const std::string index = stem + ending + ".index.json";
    expect_durable(index);
    for (const char* part : {"-00001-of-00002", "-00002-of-00002"}) {
      const std::string shard = stem + part + ending;
      SCOPED_TRACE(shard);
      EXPECT_TRUE(synced(path(shard), 0, named(index)));
      EXPECT_TRUE(synced(folder_.string(), named(shard), named(index)));
    }
  }

  std::vector<FileEvent> events_;
  int saves_ = 0;
};

TEST_F(Durable, BytesThenNameThenFolder) {
  for (const char* name : {"a.pt", "a.safetensors", "a.npz"}) {
    saved(name, {.replace = false});
    expect_durable(name);
    saved(name);  // over that
    expect_durable(name);
  }
  saved("old.pt", {.format = Format::kTorchLegacy});
  expect_durable("old.pt");
}

TEST_F(Durable, ShardsThenTheirIndex) {
  for (const char* ending : {".safetensors", ".pt"}) {
    saved(std::string("a") + ending, {.shard_size = 4000});
    expect_durable_shards("a", ending);
    saved(std::string("a") + ending, {.shard_size = 4000});  // over those
    expect_durable_shards("a", ending);
  }
}

TEST_F(Durable, ShardsWhereFilesHaveOneNameOnly) {
  const SaveOptions options{.shard_size = 4000};
  saved("a.pt", options);
  links_are_refused = true;
  saved("a.pt", options);  // over those: the new ones are copied to their names
  const std::size_t at = named("a.pt.index.json");
  for (const char* shard : {"a-00001-of-00002.pt", "a-00002-of-00002.pt"})
    EXPECT_TRUE(synced(path(shard), 0, at));
  EXPECT_EQ(load(path("a.pt.index.json")).at("b").as_array().select(0, 999).item<float>(), 2);
}

TEST_F(Durable, FolderWithEverythingInIt) {
  for (int i = 0; i < 2; ++i) {  // a new one, then over that
    saved("a", {.format = Format::kDcp});
    const std::size_t at = named("a");
    for (const char* part : {"a/.metadata", "a/__0_0.distcp", "a"})
      EXPECT_TRUE(synced(path(part), 0, at)) << part;
    EXPECT_TRUE(synced(folder_.string(), at, events_.size()));
  }
}

TEST_F(Durable, OnlyWhenAskedFor) {
  for (const SaveOptions& options :
       {SaveOptions{.durable = false}, SaveOptions{.durable = false, .shard_size = 4000},
        SaveOptions{.format = Format::kDcp, .durable = false}}) {
    saved(options.format ? "folder" : "a.pt", options);
    ASSERT_FALSE(events_.empty());  // names
    for (const FileEvent& event : events_) EXPECT_FALSE(event.is_sync);
  }
}

}  // namespace
}  // namespace sconce::checkpoint
