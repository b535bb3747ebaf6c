// What examine() says of files whose format is easily mistaken, and of checkpoints in several files.
#include "sconce/checkpoint/examine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kLfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n";

Array filled(std::int64_t numel, DType dtype, std::uint8_t value) {
  Array out = Array::zeros({numel}, dtype);
  std::fill_n(out.mutable_raw(), out.nbytes(), std::byte{value});
  return out;
}

Value two_tensors() {
  return Value::dict({{"a", filled(8, kFloat32, 0x41)}, {"b", filled(8, kFloat32, 0x42)}});
}

std::vector<ErrorCode> codes(const Examination& found) {
  std::vector<ErrorCode> out;
  for (const Problem& problem : found.problems) out.push_back(problem.code);
  return out;
}

std::vector<std::string> places(const Examination& found) {
  std::vector<std::string> out;
  for (const Problem& problem : found.problems) out.push_back(problem.record);
  return out;
}

std::vector<std::string> records(const Examination& found, Integrity integrity) {
  std::vector<std::string> out;
  for (const RecordFacts& record : found.records) {
    if (record.integrity == integrity) out.push_back(record.name);
  }
  return out;
}

bool takes(const Examination& found) {
  return std::all_of(found.weights_only.begin(), found.weights_only.end(),
                     [](const WeightsOnly& answer) { return answer.accepted; });
}

class Examine : public TemporaryFolder {
 protected:
  // Flips a bit of the byte at the first place of `text` in a file.
  void flip(const std::string& name, const std::string& text) const {
    std::string content = get(name);
    const std::size_t at = content.find(text);
    ASSERT_NE(at, std::string::npos) << text;
    content[at] = static_cast<char>(content[at] ^ 1);
    put(name, content);
  }

  std::uint64_t size(const std::string& name) const { return std::filesystem::file_size(path(name)); }

  // a in net-00001-of-00002.pt, b in net-00002-of-00002.pt
  std::string save_index(const std::string& extension = "pt") const {
    save(path("net." + extension), two_tensors(), {.durable = false, .shard_size = 32});
    return path("net." + extension + ".index.json");
  }

  std::string save_dcp() const {
    save(path("ck"), two_tensors(), {.format = Format::kDcp, .durable = false});
    return path("ck");
  }
};

const std::string kFirst = "net-00001-of-00002.pt";
const std::string kSecond = "net-00002-of-00002.pt";

// ---- an index

TEST_F(Examine, IndexThatIsWhole) {
  const Examination found = examine(save_index());
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_EQ(found.format, Format::kTorchIndex);
  EXPECT_EQ(found.file_size, size("net.pt.index.json") + size(kFirst) + size(kSecond));
  EXPECT_THAT(records(found, Integrity::kUnchecked), IsEmpty());
  EXPECT_THAT(records(found, Integrity::kChecked), Contains(kFirst + ":net-00001-of-00002/data/0"));
  ASSERT_EQ(found.pickles.size(), 2u);
  EXPECT_EQ(found.pickles[1].record, kSecond + ":net-00002-of-00002/data.pkl");
  EXPECT_TRUE(found.listing.has_value());
  EXPECT_EQ(examine(folder_.string()).file_size, found.file_size);
}

TEST_F(Examine, IndexWithOneBadByte) {
  const std::string index = save_index();
  flip(kSecond, "BBBB");
  const Examination found = examine(index);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kChecksum));
  EXPECT_THAT(places(found), ElementsAre(kSecond + ":net-00002-of-00002/data/0"));
  EXPECT_THAT(records(found, Integrity::kDamaged), ElementsAre(places(found).front()));
}

TEST_F(Examine, RecordsOfAShardThatNoReaderLooksAt) {
  Records changed = records_of(pickle_of([](pickle::Writer& out) {
    out.empty_dict();
    out.text("a");
    Tensor().write(out);
    out.setitem();
  }));
  changed.emplace_back("t/notes.txt", "some notes");
  changed.emplace_back("t/extra.pkl",
                       "\x80\x02"
                       "cos\nsystem\n)R.");
  put("s.bin", as_chars(zip_of(changed)));
  put("x.index.json", R"({"weight_map": {"a": "s.bin"}})");
  const Examination good = examine(path("x.index.json"));
  EXPECT_THAT(good.problems, IsEmpty());
  ASSERT_EQ(good.pickles.size(), 2u);
  EXPECT_EQ(good.pickles[1].record, "s.bin:t/extra.pkl");
  EXPECT_EQ(good.pickles[1].globals.at(0).trust, Trust::kUnknown);
  flip("s.bin", "some notes");
  EXPECT_THAT(places(examine(path("x.index.json"))), ElementsAre("s.bin:t/notes.txt"));
}

TEST_F(Examine, IndexWhoseFilesAreNotThere) {
  const std::string index = save_index();
  std::filesystem::remove(path(kFirst));
  put(kSecond, kLfsPointer);
  const Examination found = examine(index);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kNotFound, ErrorCode::kUnsupported));
  EXPECT_THAT(places(found), ElementsAre(kFirst, kSecond));
  EXPECT_THAT(records(found, Integrity::kDamaged), ElementsAre(kFirst, kSecond));
  EXPECT_EQ(found.format, Format::kTorchIndex);
  EXPECT_THAT(found.problems[0].advice, IsEmpty());  // nothing is left
}

TEST_F(Examine, IndexWithAShardOfAnotherByteOrder) {
  const std::string index = save_index();
  flip(kFirst, "little");
  const Examination found = examine(index);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kChecksum, ErrorCode::kUnsupported));
  EXPECT_THAT(places(found), ElementsAre(kFirst + ":net-00001-of-00002/byteorder", kFirst));
}

TEST_F(Examine, IndexWithAShardCutOff) {
  const std::string index = save_index("safetensors");
  const std::string shard = "net-00002-of-00002.safetensors";
  put(shard, get(shard).substr(0, 40));
  const Examination found = examine(index);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kTruncated));
  EXPECT_THAT(places(found), ElementsAre(shard));
  EXPECT_EQ(found.format, Format::kSafetensorsIndex);
  EXPECT_EQ(found.file_size,
            size("net.safetensors.index.json") + size("net-00001-of-00002.safetensors") + 40);
  EXPECT_THAT(found.problems[0].advice, ::testing::HasSubstr("salvage"));
}

TEST_F(Examine, IndexThatNamesATensorItsFileDoesNotHave) {
  const std::string index = save_index();
  put("net.pt.index.json", R"({"weight_map": {"a": ")" + kFirst + R"(", "c": ")" + kSecond + R"("}})");
  const Examination found = examine(index);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kNotFound));
  EXPECT_EQ(records(found, Integrity::kDamaged).size(), 0u);
}

TEST_F(Examine, WhatIsNoIndexIsAnError) {
  put("x.index.json", R"({"metadata": {}})");
  EXPECT_ERROR(examine(path("x.index.json")), ErrorCode::kUnsupported);
  put("x.index.json", R"({"weight_map": {"a": "s.b)");
  EXPECT_THAT(codes(examine(path("x.index.json"))), ElementsAre(ErrorCode::kTruncated));
}

TEST_F(Examine, AShardThatMayNotBeReadIsAnError) {
  const std::string index = save_index();
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  std::filesystem::permissions(path(kFirst), std::filesystem::perms::none);
  const WithoutRoot user;
  EXPECT_ERROR(examine(index), ErrorCode::kPermission);
}

// ---- the one file of a folder

TEST_F(Examine, FolderOfOneFile) {
  save(path("pytorch_model.bin"), two_tensors(), {.format = Format::kTorchZip, .durable = false});
  const Examination whole = examine(folder_.string());
  EXPECT_THAT(whole.problems, IsEmpty());
  EXPECT_EQ(whole.format, Format::kTorchZip);
  EXPECT_EQ(whole.file_size, size("pytorch_model.bin"));
  EXPECT_TRUE(takes(whole));
  flip("pytorch_model.bin", "BBBB");
  const Examination found = examine(folder_.string());
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kChecksum));
  EXPECT_THAT(places(found), ElementsAre("pytorch_model.bin:pytorch_model/data/1"));
  flip("pytorch_model.bin", "PK");
  EXPECT_THAT(codes(examine(folder_.string())), Contains(ErrorCode::kUnsupported));
}

// ---- folders of torch.distributed.checkpoint

TEST_F(Examine, DistributedCheckpoint) {
  const Examination found = examine(save_dcp());
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_EQ(found.format, Format::kDcp);
  EXPECT_EQ(found.file_size, size("ck/.metadata") + size("ck/__0_0.distcp"));
  EXPECT_THAT(records(found, Integrity::kUnchecked), ElementsAre(".metadata"));
  EXPECT_THAT(records(found, Integrity::kChecked), Contains("__0_0.distcp at byte 0:archive/data/0"));
  EXPECT_THAT(found.pickles, ::testing::SizeIs(3));
  EXPECT_EQ(found.pickles[0].record, ".metadata");
}

TEST_F(Examine, DistributedCheckpointWithBadBytes) {
  const std::string folder = save_dcp();
  flip("ck/__0_0.distcp", "AAAA");
  Examination found = examine(folder);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kChecksum));
  EXPECT_THAT(places(found), ElementsAre("__0_0.distcp at byte 0:archive/data/0"));
  flip("ck/__0_0.distcp", "3\n");  // of the record "version"
  found = examine(folder);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kChecksum, ErrorCode::kChecksum));
}

TEST_F(Examine, PartOfADistributedCheckpointIsNoFileOfItsOwn) {
  save_dcp();
  EXPECT_ERROR(load(path("ck/__0_0.distcp")), ErrorCode::kUnsupported);
  EXPECT_ERROR(examine(path("ck/__0_0.distcp")), ErrorCode::kUnsupported);
  // With one item it is.
  save(path("one"), Value::dict({{"a", filled(8, kFloat32, 0x41)}}),
       {.format = Format::kDcp, .durable = false});
  EXPECT_THAT(examine(path("one/__0_0.distcp")).problems, IsEmpty());
}

TEST_F(Examine, DistributedCheckpointCutOff) {
  const std::string folder = save_dcp();
  const std::string whole = get("ck/__0_0.distcp");
  put("ck/__0_0.distcp", whole.substr(0, whole.size() - 30));
  Examination found = examine(folder);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kTruncated));
  EXPECT_EQ(found.file_size, size("ck/.metadata") + whole.size() - 30);
  std::filesystem::remove(path("ck/__0_0.distcp"));
  found = examine(folder);
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kNotFound));
  EXPECT_EQ(found.format, Format::kDcp);
}

TEST_F(Examine, MetadataThatCannotBeReadIsAFault) {
  const std::string folder = save_dcp();
  for (const auto& [metadata, code] : {std::pair("\x80\x02\x82\x07.", ErrorCode::kUnsupported),  // EXT1
                                       std::pair("\x80\x02]", ErrorCode::kTruncated)}) {
    put("ck/.metadata", metadata);
    const Examination found = examine(folder);
    EXPECT_THAT(codes(found), ElementsAre(code));
    EXPECT_THAT(places(found), ElementsAre(".metadata"));
  }
}

TEST_F(Examine, SixBitFloatsAreWholeButNotPyTorchs) {
  const std::string file = path("net.safetensors");
  save(file, Value::dict({{"w", filled(2, kFloat6E3M2FNx4, 0x41)}}), {.durable = false});
  const Examination found = examine(file);
  EXPECT_THAT(found.problems, IsEmpty());
  ASSERT_EQ(found.weights_only.size(), 3u);
  for (const WeightsOnly& answer : found.weights_only) {
    EXPECT_FALSE(answer.accepted) << answer.version;
    EXPECT_EQ(answer.reason, "tensor 'w' has dtype float6_e3m2fn_x4, which PyTorch does not have");
  }
}

TEST_F(Examine, ShardedSafetensors) {
  save(path("shard-00001-model-00001-of-00001.safetensors"), two_tensors(), {.durable = false});
  Examination found = examine(folder_.string());
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(records(found, Integrity::kUnchecked),
              ElementsAre("shard-00001-model-00001-of-00001.safetensors:a",
                          "shard-00001-model-00001-of-00001.safetensors:b"));
  put("shard-00002-model-00001-of-00001.safetensors", kLfsPointer);
  found = examine(folder_.string());
  EXPECT_THAT(codes(found), ElementsAre(ErrorCode::kUnsupported));
  EXPECT_THAT(places(found), ElementsAre("shard-00002-model-00001-of-00001.safetensors"));
}

}  // namespace
}  // namespace sconce::checkpoint
