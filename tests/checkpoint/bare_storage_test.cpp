// Storages that were saved by themselves stay storages where the format has such.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/saved.h"
#include "sconce/checkpoint/listing.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// {"s": the storage, "t": a tensor over it}.
Value with_storage(const Pid& pid = {}) {
  return load(file_of([&](pickle::Writer& out) {
    out.empty_dict();
    out.text("s");
    pid.write(out);
    out.setitem();
    if (pid.type == "UntypedStorage") return;
    out.text("t");
    Tensor{.pid = pid}.write(out);
    out.setitem();
  }));
}

TEST(BareStorage, StaysOne) {
  for (const Format format : {Format::kTorchZip, Format::kTorchLegacy}) {
    const Saved file = saved(with_storage(), {.format = format});
    EXPECT_THAT(file.warnings, IsEmpty());
    const Value back = file.value();
    EXPECT_EQ(back.at("s").as_tensor().bare_storage, BareStorage::kTyped);
    EXPECT_THAT(back.at("s").as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
    EXPECT_EQ(back.at("t").as_tensor().bare_storage, BareStorage::kNo);
    EXPECT_EQ(back.at("s").as_array().storage(), back.at("t").as_array().storage());
    EXPECT_EQ(describe(file.bytes).tensors.at(0).bare_storage, BareStorage::kTyped);
  }
}

TEST(BareStorage, StaysUntypedWherePyTorchReadsThat) {
  const Value value = with_storage({.module = "torch.storage", .type = "UntypedStorage", .numel = 24});
  for (const Format format : {Format::kTorchZip, Format::kTorchLegacy}) {
    const TensorLeaf back = saved(value, {.format = format}).value().at("s").as_tensor();
    EXPECT_EQ(back.bare_storage, format == Format::kTorchZip ? BareStorage::kUntyped : BareStorage::kTyped);
    EXPECT_EQ(back.array.dtype(), kUInt8);
    EXPECT_EQ(back.array.nbytes(), 24u);
  }
}

TEST(BareStorage, IsNoTensorThatAParameterCouldBeMadeOf) {
  const Value value = load(file_of([](pickle::Writer& out) {
    out.global("torch._utils", "_rebuild_parameter");
    Pid().write(out);
    out.boolean(true);
    out.none();
    out.tuple(3);
    out.reduce();
  }));
  EXPECT_TRUE(value.is_object());
}

TEST(BareStorage, IsWrittenWhole) {
  TensorLeaf leaf;
  leaf.array = Array::from<float>({0, 1, 2, 3}, {4}).narrow(0, 1, 2);
  leaf.bare_storage = BareStorage::kTyped;
  const Value back = saved(Value(leaf), {}).value();
  EXPECT_THAT(back.as_array().to_vector<float>(), ElementsAre(1, 2));
  EXPECT_EQ(back.as_tensor().bare_storage, BareStorage::kTyped);
}

TEST(BareStorage, OfATypeWithoutAClassBecomesATensor) {
  TensorLeaf leaf;
  leaf.array = Array::zeros({2}, kUInt16);
  leaf.bare_storage = BareStorage::kTyped;
  const Saved file = saved(Value::dict({{"s", leaf}}), {});
  EXPECT_THAT(file.warnings, ElementsAre(HasSubstr("the storage at s becomes a tensor")));
  EXPECT_EQ(file.value().at("s").as_tensor().bare_storage, BareStorage::kNo);
}

TEST(BareStorage, BecomesATensorWhereThereIsNothingElse) {
  const Value value = Value::dict({{"s", with_storage().at("s")}});
  for (const Format format : {Format::kSafetensors, Format::kNpz}) {
    const Saved file = saved(value, {.format = format});
    EXPECT_THAT(file.warnings, ElementsAre(HasSubstr("the storage s becomes a tensor")));
    EXPECT_THAT(file.value().at("s").as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

class BareStorageFolder : public TemporaryFolder {};

TEST_F(BareStorageFolder, IsPickledInDistributedCheckpoints) {
  SaveOptions options;
  options.format = Format::kDcp;
  EXPECT_THAT(save(path("out"), with_storage(), options).warnings, IsEmpty());
  const Value back = load(path("out"));
  EXPECT_EQ(back.at("s").as_tensor().bare_storage, BareStorage::kTyped);
  EXPECT_EQ(back.at("t").as_tensor().bare_storage, BareStorage::kNo);
}

}  // namespace
}  // namespace sconce::checkpoint
