#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/legacy_files.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<ErrorCode> code(const TarFile& file, const LoadOptions& options = {}) {
  const auto loaded = testing::error_of([&] { load(file.bytes(), options); });
  EXPECT_EQ(testing::error_of([&] { describe(file.bytes(), options); }), loaded);
  return loaded;
}
std::optional<ErrorCode> code(const TarTensor& tensor) { return code(tar_of(tensor)); }

TEST(LegacyTar, Fixture) {
  const std::string path = testing::golden_path("formats/legacy/old.tar");
  const Listing listing = describe(path);
  EXPECT_EQ(listing.format, Format::kTorchTar);
  ASSERT_EQ(listing.tensors.size(), 3u);
  EXPECT_EQ(listing.tensors[0].record, "storages");
  EXPECT_EQ(listing.tensors[1].alias_of, 0u);
  EXPECT_EQ(listing.tensors[2].name, "s");  // a storage by itself
  EXPECT_EQ(listing.tensors[2].alias_of, 0u);
  EXPECT_TRUE(listing.notes.empty());
  const Value value = load(path);
  EXPECT_THAT(value.at("w").as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(value.at("v").as_array().to_vector<float>(), ElementsAre(3, 4, 5));
  EXPECT_EQ(value.at("w").as_array().storage(), value.at("v").as_array().storage());
}

TEST(LegacyTar, TensorsStoragesAndClasses) {
  TarFile file = tar_of({.sizes = {3, 2}, .strides = {1, 3}});
  file.pickle = pickle_of([](pickle::Writer& out) {
    out.mark();
    tar_pid(out, 10);
    tar_pid(out, 10);
    tar_pid(out, 1);
    out.global("my.net", "Net");
    out.text("/secret/net.py");
    out.text("class Net: pass");
    out.tuple(3);
    out.persid();
    out.tuple(4);
  });
  const Value value = load(file.bytes());
  EXPECT_EQ(value.at(0).as_array().strides(), (Strides{1, 3}));
  EXPECT_THAT(value.at(0).as_array().to_vector<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_TRUE(value.at(0).is(value.at(1)));  // one tensor object
  EXPECT_THAT(value.at(2).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(value.at(2).as_array().storage(), value.at(0).as_array().storage());
  EXPECT_EQ(value.at(3).object_kind(), ObjectKind::kGlobal);
  EXPECT_EQ(value.at(3).global_name(), "Net");
  const auto bytes = file.bytes();
  const Listing listing = describe(bytes);
  EXPECT_EQ(listing.tensors.size(), 3u);
  EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(LegacyTar, Views) {
  TarFile file = tar_of({.storage = 2, .sizes = {2}, .strides = {1}, .offset = 1}, {{2, 1, 2, 3}});
  EXPECT_THAT(load(file.bytes()).as_array().to_vector<float>(), ElementsAre(3, 4));
  const TarTensor tensor{.storage = 2, .sizes = {2}, .strides = {1}};
  EXPECT_EQ(code(tar_of(tensor, {{2, 1, 0, 2}})), std::nullopt);
  EXPECT_EQ(code(tar_of(tensor, {{2, 1, 0, 1}})), ErrorCode::kCorrupt);  // the tensor leaves the view
  EXPECT_EQ(code(tar_of(tensor, {{2, 1, 5, 2}})), ErrorCode::kCorrupt);  // the view leaves the storage
  EXPECT_EQ(code(tar_of(tensor, {{2, 1, -1, 2}})), ErrorCode::kCorrupt);
  EXPECT_EQ(code(tar_of(tensor, {{2, 9, 0, 2}})), ErrorCode::kCorrupt);                // of nothing
  EXPECT_EQ(code(tar_of(tensor, {{3, 1, 0, 2}, {2, 3, 0, 2}})), ErrorCode::kCorrupt);  // of a view
  EXPECT_EQ(code(tar_of(tensor, {{2, 1, 0, 2}, {2, 1, 0, 2}})), ErrorCode::kCorrupt);  // twice
  EXPECT_EQ(code(tar_of(tensor, {{1, 1, 0, 2}})), ErrorCode::kCorrupt);                // a key that is taken
}

TEST(LegacyTar, AlphaForms) {
  TarFile file = tar_of({.is_alpha = true});
  file.storages = pickled(1) + tar_storage(1, kTarNumbers, 6, "FloatStorage", false);  // no list of views
  EXPECT_THAT(load(file.bytes()).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  file.storages = pickled(1) + tar_storage(1, kTarNumbers, 6);  // a location, so there must be views
  EXPECT_EQ(code(file), ErrorCode::kTruncated);
}

TEST(LegacyTar, EmptyTensors) {
  // No storage: the class says what it would hold.
  const TarTensor nothing{.storage = std::nullopt, .sizes = {}, .strides = {}, .type = "LongTensor"};
  const Array empty = load(tar_of(nothing).bytes()).as_array();
  EXPECT_EQ(empty.shape(), Shape{0});
  EXPECT_EQ(empty.dtype(), kInt64);
  const auto bytes = tar_of(nothing).bytes();
  Listing listing = describe(bytes);
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.read(0).numel(), 0);
  EXPECT_EQ(code(TarTensor{.storage = std::nullopt}), ErrorCode::kCorrupt);  // with elements
  // A storage without elements: 0.1 knew no scalars.
  TarFile file = tar_of({.sizes = {}, .strides = {}});
  file.storages = pickled(1) + tar_storage(1, "", 0) + tar_views({});
  EXPECT_EQ(load(file.bytes()).as_array().shape(), Shape{0});
  // With elements it is what torch.load makes of it.
  EXPECT_EQ(load(tar_of({.sizes = {}, .strides = {}}).bytes()).as_array().shape().size(), 0u);
  // No tensors at all.
  EXPECT_EQ(code({pickled(0), pickled(0), pickled(5)}), std::nullopt);
}

TEST(LegacyTar, Rejections) {
  const auto with = [](auto change) {
    TarFile file = tar_of({});
    change(file);
    return code(file);
  };
  EXPECT_EQ(with([](TarFile&) {}), std::nullopt);
  // members
  EXPECT_ERROR(load(testing::to_bytes(tar::member("a.txt", "x") + tar::kEnd)), ErrorCode::kUnsupported);
  EXPECT_EQ(with([](TarFile& f) { f.more = tar::member("pickle", "x"); }), ErrorCode::kUnsafe);
  EXPECT_EQ(with([](TarFile& f) { f.more = tar::member("link", "", '2'); }), ErrorCode::kUnsafe);
  EXPECT_EQ(with([](TarFile& f) { f.more = tar::header("big", tar::octal(1 << 20, 11), '0'); }),
            ErrorCode::kTruncated);
  // storages
  const auto storages = [&](const std::string& text) {
    return with([&](TarFile& f) { f.storages = text + tar_views({}); });
  };
  EXPECT_EQ(storages(pickled(1) + tar_storage(1, kTarNumbers, -1)), ErrorCode::kCorrupt);
  EXPECT_EQ(storages(pickled(1) + tar_storage(1, kTarNumbers, 7000)), ErrorCode::kTruncated);
  EXPECT_EQ(storages(pickled(1) + tar_storage(1, kTarNumbers, INT64_MAX)), ErrorCode::kOverflow);
  EXPECT_EQ(storages(pickled(1) + tar_storage(1, kTarNumbers, 6, "NoStorage")), ErrorCode::kCorrupt);
  EXPECT_EQ(storages(pickled(2) + tar_storage(1, kTarNumbers, 6) + tar_storage(1, kTarNumbers, 6)),
            ErrorCode::kCorrupt);
  EXPECT_EQ(storages(pickled(-1)), ErrorCode::kCorrupt);
  EXPECT_EQ(storages(pickled(INT64_MAX) + tar_storage(1, kTarNumbers, 6)), ErrorCode::kCorrupt);
  EXPECT_EQ(storages(pickled(1) + pickled(1)), ErrorCode::kCorrupt);
  EXPECT_EQ(with([](TarFile& f) { f.storages = pickled(1) + tar_storage(1, kTarNumbers, 6) + pickled(1); }),
            ErrorCode::kCorrupt);  // no list of views
  // tensors
  EXPECT_EQ(code(TarTensor{.storage = 7}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.type = "Linear"}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.rank = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.rank = 65}), ErrorCode::kLimit);
  EXPECT_EQ(code(TarTensor{.rank = 64}), ErrorCode::kTruncated);
  EXPECT_EQ(code(TarTensor{.sizes = {2, 4}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.strides = {-3, 1}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.offset = 1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(TarTensor{.key = 1}), ErrorCode::kCorrupt);  // the key of its storage
  EXPECT_EQ(with([](TarFile& f) { f.tensors = pickled(2) + TarTensor().text() + TarTensor().text(); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](TarFile& f) { f.tensors = pickled(2) + TarTensor().text(); }), ErrorCode::kTruncated);
  EXPECT_EQ(with([](TarFile& f) { f.tensors = pickled(1) + TarTensor{.storage = 11}.text(); }),
            ErrorCode::kCorrupt);
  // the pickle
  EXPECT_EQ(with([](TarFile& f) { f.pickle = pickle_of([](pickle::Writer& out) { tar_pid(out, 99); }); }),
            ErrorCode::kNotFound);
  EXPECT_EQ(with([](TarFile& f) {
              f.pickle = pickle_of([](pickle::Writer& out) {
                out.none();
                out.persid();
              });
            }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](TarFile& f) {  // a tensor where a storage belongs
              f.pickle = pickle_of([](pickle::Writer& out) {
                out.global("torch._utils", "_rebuild_tensor");
                out.mark();
                tar_pid(out, 10);
                out.integer(0);
                out.empty_tuple();
                out.empty_tuple();
                out.tuple(4);
                out.reduce();
              });
            }),
            ErrorCode::kCorrupt);
}

TEST(LegacyTar, BytesBehindAreNoted) {
  TarFile file = tar_of({});
  file.tensors += "abc";
  EXPECT_THAT(describe(file.bytes()).notes, ElementsAre(HasSubstr("3 bytes behind")));
  EXPECT_EQ(code(file, {.refuse_trailing = true}), ErrorCode::kCorrupt);
}

TEST(LegacyTar, Damage) {
  const Bytes good = tar_of({}).bytes();
  int refused = 0;
  testing::for_each_damage(good, [&](const Bytes& damaged) {
    try {
      const Listing listing = describe(damaged);
      load(damaged);
      for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
        EXPECT_LE(listing.tensors[i].file_offset + listing.tensors[i].storage_bytes, damaged.size());
        listing.read(i);
      }
    } catch (const Error&) {
      ++refused;
    }
  });
  EXPECT_GT(refused, 1000);
}

class LegacyTarFile : public TemporaryFolder {};

TEST_F(LegacyTarFile, MappedAndNeverExtracted) {
  put("old.tar", tar_of({}).text());
  LoadOptions options;
  options.map = true;
  EXPECT_THAT(load(path("old.tar"), options).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(names(), ElementsAre("old.tar"));
}

}  // namespace
}  // namespace sconce::checkpoint
