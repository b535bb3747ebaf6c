// DTensors of torch.distributed: of each the part of one rank.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/saved.h"
#include "checkpoint/value_builders.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/recover.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Write = std::function<void(pickle::Writer&)>;

// As torch.save writes one; the defaults are data/0 as two of four rows.
struct DTensor {
  std::string type_module = "torch.distributed.tensor";
  std::string function = "_rebuild_wrapper_subclass";
  std::vector<std::int64_t> sizes = {4, 3};
  std::vector<std::pair<std::string, Write>> placements = {{"Shard",
                                                            [](pickle::Writer& out) {
                                                              out.text("dim");
                                                              out.integer(0);
                                                              out.setitem();
                                                            }},
                                                           {"Replicate", [](pickle::Writer&) {}}};
  Write local = [](pickle::Writer& out) { Tensor().write(out); };
  Write attributes = [](pickle::Writer& out) { out.none(); };

  void write(pickle::Writer& out) const {
    out.global("torch._tensor", "_rebuild_from_type_v2");
    out.mark();
    out.global("torch._utils", function);
    out.global(type_module, "DTensor");
    write_shell(out);
    attributes(out);
    out.empty_dict();
    out.text("_local_tensor");
    local(out);
    out.setitem();
    out.text("_spec");
    write_spec(out);
    out.setitem();
    out.tuple(2);
    out.tuple(4);
    out.reduce();
  }

 private:
  void write_shell(pickle::Writer& out) const {
    out.mark();
    out.global(type_module, "DTensor");
    out.global("torch", "float32");
    for (int i = 0; i < 2; ++i) {  // sizes, and strides of which nobody asks
      out.mark();
      for (const std::int64_t size : sizes) out.integer(size);
      out.tuple(7);
    }
    out.integer(0);
    out.none();
    out.none();
    out.boolean(true);
    out.tuple(8);
  }

  void write_spec(pickle::Writer& out) const {
    out.global("torch.distributed.tensor._dtensor_spec", "DTensorSpec");
    out.empty_tuple();
    out.newobj();
    out.empty_dict();
    out.text("mesh");
    Tensor().write(out);  // a real one holds its ranks' numbers
    out.setitem();
    out.text("placements");
    out.mark();
    for (const auto& [name, fields] : placements) {
      out.global("torch.distributed.tensor.placement_types", name);
      out.empty_tuple();
      out.newobj();
      out.empty_dict();
      fields(out);
      out.build();
    }
    out.tuple(7);
    out.setitem();
    out.build();
  }
};

Bytes dict_of(const std::vector<std::pair<std::string, DTensor>>& tensors) {
  return file_of([&](pickle::Writer& out) {
    out.empty_dict();
    for (const auto& [name, tensor] : tensors) {
      out.text(name);
      tensor.write(out);
      out.setitem();
    }
  });
}

TEST(Shard, IsTheTensorOfItsRank) {
  for (const char* module :
       {"torch.distributed.tensor", "torch.distributed._tensor.api", "torch.distributed._tensor"}) {
    const Value value = load(dict_of({{"w", {.type_module = module}}}));
    const TensorLeaf& leaf = value.at("w").as_tensor();
    EXPECT_TRUE(leaf.array.same_bits(matrix(2, 3))) << module;
    EXPECT_TRUE(leaf.requires_grad);
    EXPECT_FALSE(leaf.is_parameter);
    ASSERT_TRUE(leaf.shard_of);
    EXPECT_EQ(leaf.shard_of->shape, Shape({4, 3}));
    EXPECT_THAT(leaf.shard_of->placements, ElementsAre("Shard(dim=0)", "Replicate()"));
    EXPECT_THAT(value.at("w").attributes(), IsEmpty());
  }
}

TEST(Shard, ParametersAndAttributes) {
  const Value value = load(dict_of({{"w", {.attributes = [](pickle::Writer& out) {
                                       out.empty_dict();
                                       out.text("_is_param");
                                       out.boolean(true);
                                       out.setitem();
                                       out.text("note");
                                       out.integer(7);
                                       out.setitem();
                                     }}}}));
  EXPECT_TRUE(value.at("w").as_tensor().is_parameter);
  ASSERT_EQ(value.at("w").attributes().size(), 1u);
  EXPECT_EQ(value.at("w").attribute("note")->as_int(), 7);
}

TEST(Shard, IsListedUnderItsNameAlone) {
  const Bytes file = dict_of({{"a", {}}, {"b", {.sizes = {2, 3}, .placements = {}}}});
  const Listing listing = describe(file);
  ASSERT_EQ(listing.tensors.size(), 2u);
  EXPECT_EQ(listing.tensors[0].name, "a");
  ASSERT_TRUE(listing.tensors[0].shard_of);
  EXPECT_EQ(listing.tensors[0].shard_of->shape, Shape({4, 3}));
  EXPECT_TRUE(listing.read(0).same_bits(matrix(2, 3)));
  EXPECT_THAT(listing.objects, IsEmpty());
  EXPECT_THAT(
      listing.notes,
      ElementsAre("of a DTensor placed Shard(dim=0), Replicate() only the part of the rank that wrote "
                  "the file is here (at 'a')",
                  HasSubstr("placed unknown")));
}

TEST(Shard, WhatIsWholeNeedsNoNote) {
  const DTensor whole{.sizes = {2, 3}, .placements = {{"Replicate", [](pickle::Writer&) {}}}};
  EXPECT_THAT(describe(dict_of({{"a", whole}})).notes, IsEmpty());
}

TEST(Shard, ManyOfOneKindAreOneNote) {
  const auto recovery = recover_modules(load(dict_of({{"a", {}}, {"b", {}}, {"c", {}}})));
  EXPECT_THAT(recovery.notes, ElementsAre(HasSubstr("at 'a' and 2 more")));
}

TEST(Shard, IsSavedAsATensor) {
  const Saved out = saved(load(dict_of({{"w", {}}})), {});
  EXPECT_THAT(out.warnings, IsEmpty());
  const Value back = out.value();
  EXPECT_TRUE(back.at("w").as_array().same_bits(matrix(2, 3)));
  EXPECT_FALSE(back.at("w").as_tensor().shard_of);
}

TEST(Shard, TiedPartsShareMemory) {
  const Value value = load(dict_of({{"a", {}}, {"b", {}}}));
  EXPECT_EQ(value.at("a").as_array().storage(), value.at("b").as_array().storage());
}

TEST(Shard, WithinPickledModules) {
  Value leaf = load(dict_of({{"w", {}}})).at("w");
  const Recovery recovery =
      recover_modules(Value::list({module_of({.parameters = Value::dict({{"w", leaf}})}), leaf}));
  EXPECT_TRUE(recovery.value.at(0).at("w").as_array().same_bits(matrix(2, 3)));
  EXPECT_THAT(recovery.notes, ElementsAre(HasSubstr("at '0.w' and 1 more")));
}

TEST(Shard, EverythingElseStaysAnObject) {
  const auto is_object = [](const DTensor& tensor) {
    return load(dict_of({{"w", tensor}})).at("w").is_object();
  };
  EXPECT_TRUE(is_object({.type_module = "mine"}));
  EXPECT_TRUE(is_object({.function = "_rebuild_something"}));
  EXPECT_TRUE(is_object({.sizes = std::vector<std::int64_t>(65, 1)}));
  EXPECT_TRUE(is_object({.local = [](pickle::Writer& out) { out.none(); }}));
  EXPECT_TRUE(is_object({.local = [](pickle::Writer& out) { DTensor{.type_module = "mine"}.write(out); }}));
  // `__class__` among the attributes.
  EXPECT_TRUE(is_object({.attributes = [](pickle::Writer& out) {
    out.empty_dict();
    out.text("__class__");
    out.integer(1);
    out.setitem();
  }}));
}

TEST(Shard, OddPlacementsAreTold) {
  const auto placements = [](std::vector<std::pair<std::string, Write>> list) {
    return load(dict_of({{"w", {.placements = std::move(list)}}})).at("w").as_tensor().shard_of->placements;
  };
  EXPECT_THAT(placements({{"Partial",
                           [](pickle::Writer& out) {
                             out.text("reduce_op");
                             out.text("sum");
                             out.setitem();
                             out.text("x");
                             out.none();
                             out.setitem();
                           }}}),
              ElementsAre("Partial(reduce_op=sum, x=?)"));
  EXPECT_THAT(placements({{std::string(100, 'P'), [](pickle::Writer&) {}}}),
              ElementsAre(std::string(64, 'P') + "..."));
  EXPECT_THAT(placements(std::vector<std::pair<std::string, Write>>(17, {"R", [](pickle::Writer&) {}})),
              IsEmpty());
}

}  // namespace
}  // namespace sconce::checkpoint
