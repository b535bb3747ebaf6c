#include "checkpoint/torchscript.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/broken_files.h"
#include "codec/codec_test_util.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Names = std::vector<std::string>;

std::optional<ScriptClass> class_in(std::string_view code, std::string_view name = "C") {
  const auto classes = script_classes(code);
  const auto found = classes.find(name);
  return found == classes.end() ? std::nullopt : std::optional(found->second);
}

TEST(ScriptClasses, ListsAsPyTorchWritesThem) {
  const auto type = class_in(
      "class C(Module):\n  __parameters__ = [\"weight\", \"0\", ]\n  __buffers__ = []\n  weight : Tensor\n"
      "class D(NamedTuple):\n  x : Tensor\n");
  ASSERT_TRUE(type);
  EXPECT_TRUE(type->is_module && type->is_readable);
  EXPECT_THAT(*type->parameters, ElementsAre("weight", "0"));
  EXPECT_THAT(*type->buffers, IsEmpty());
  EXPECT_FALSE(class_in("class D(NamedTuple):\n  x : Tensor\n", "D")->is_module);
  EXPECT_FALSE(class_in("class D:\n  x : Tensor\n", "D")->is_module);
  EXPECT_FALSE(class_in("class C(Module):\n  __parameters__ = []\n")->buffers);
  EXPECT_FALSE(class_in("class C(Module):\n  pass\n")->parameters);
}

TEST(ScriptClasses, AnythingElseIsUnreadable) {
  for (const char* list :
       {"[\"a\"", "\"a\"]", "[a]", "['a']", "[\"a\", \"b\" ]", "[\"a\",\"b\"]", "[\"a\\n\"]", "[\"\", ]",
        "[\"a\"], evil()", "[\"a\", *x]", "[f()]", "[\"a\", ]  # x", ""}) {
    const auto type = class_in(cat("class C(Module):\n  __parameters__ = ", list, "\n"));
    ASSERT_TRUE(type) << list;
    EXPECT_FALSE(type->is_readable) << list;
  }
  EXPECT_TRUE(class_in("class C(Module):\n  __parameters__ = [\"a\"]\n")->is_readable);
  EXPECT_FALSE(class_in("class C(Module):\n  __parameters__ = []\n  __buffers__ = [x]\n")->is_readable);
  // Two classes of one name; lists that do not stand right below the header.
  EXPECT_FALSE(class_in("class C(Module):\n  __parameters__ = []\nclass C(Module):\n  __parameters__ = []\n")
                   ->is_readable);
  EXPECT_FALSE(class_in("class C(Module):\n  x : int\n  __parameters__ = [\"a\", ]\n")->parameters);
  EXPECT_FALSE(class_in("  class C(Module):\n  __parameters__ = []\n"));
  EXPECT_FALSE(class_in("class C(Module)\n"));
  EXPECT_FALSE(class_in("class (Module):\n", ""));
  EXPECT_FALSE(class_in("class C(Module)x:\n"));
}

TEST(ScriptClasses, Sources) {
  EXPECT_EQ(script_source("__torch__"), "code/__torch__.py");
  EXPECT_EQ(script_source("__torch__.a.b"), "code/__torch__/a/b.py");
}

TEST(TorchScript, FilesOfTwoVersions) {
  for (const char* name : {"jit_113.pt", "jit_26.pt"}) {
    const std::string path = testing::golden_path(cat("formats/jit/", name));
    const StateDict state = load(path).as_state_dict();
    EXPECT_THAT(state.names(), ElementsAre("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                           "1.running_var", "1.num_batches_tracked"));
    EXPECT_EQ(state.version("1"), 1);  // what PyTorch gives a loaded ScriptModule
    const Listing listing = describe(path);
    EXPECT_EQ(listing.format, Format::kTorchScript);
    ASSERT_EQ(listing.tensors.size(), state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      EXPECT_TRUE(listing.read(i).same_bits(state.at(listing.tensors[i].name).array()));
    }
    EXPECT_THAT(listing.notes, IsEmpty());
    EXPECT_THAT(listing.objects, IsEmpty());
    EXPECT_EQ(listing.pickles.size(), 2u);
  }
}

// An archive with one module __torch__.C of the attributes w, b and p, tensors over one storage.
struct Script {
  std::string code = "class C(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = [\"b\", ]\n";
  std::function<void(pickle::Writer&)> state = attributes;
  std::string module = "__torch__";
  bool has_code = true;
  std::function<void(pickle::Writer&)> constants = [](pickle::Writer& out) { out.empty_tuple(); };

  static void attributes(pickle::Writer& out) {
    out.empty_dict();
    for (const char* name : {"p", "b", "w"}) {
      out.text(name);
      Tensor().write(out);
      out.setitem();
    }
  }

  Bytes bytes() const {
    Records records = records_of(pickle_of([&](pickle::Writer& out) {
      out.global(module, "C");
      out.empty_tuple();
      out.newobj();
      state(out);
      out.build();
    }));
    records.emplace_back("t/constants/0", records[2].second);
    records.emplace_back("t/constants.pkl", pickle_of(constants));
    if (has_code) records.emplace_back("t/code/__torch__.py", code);
    return zip_of(records);
  }
};

Names names_in(const Script& script) { return load(script.bytes()).as_state_dict().names(); }

TEST(TorchScript, OnlyWhatTheListsNameAndInTheirOrder) {
  EXPECT_THAT(names_in({}), ElementsAre("w", "b"));
  EXPECT_THAT(
      names_in(
          {.code = "class C(Module):\n  __parameters__ = [\"b\", \"w\", ]\n  __buffers__ = [\"gone\", ]\n"}),
      ElementsAre("b", "w"));
  // Without a list of buffers: every tensor without gradient.
  EXPECT_THAT(names_in({.code = "class C(Module):\n  __parameters__ = [\"w\", ]\n"}),
              ElementsAre("w", "p", "b"));
}

TEST(TorchScript, WithoutCodeEveryTensorCountsAndThatIsSaid) {
  for (const Script& script :
       {Script{.has_code = false}, Script{.code = "class C(Module):\n  __parameters__ = [f()]\n"},
        Script{.code = "garbage"}, Script{.module = "__torch__.elsewhere"}}) {
    EXPECT_THAT(names_in(script), ElementsAre("p", "b", "w"));
    EXPECT_THAT(describe(script.bytes()).notes, ElementsAre(HasSubstr("every tensor in it counts")));
  }
}

TEST(TorchScript, StatesOfTheirOwnAreSaid) {
  const Script script{.state = [](pickle::Writer& out) { out.integer(5); }};
  EXPECT_THAT(names_in(script), IsEmpty());
  EXPECT_THAT(describe(script.bytes()).notes, ElementsAre(HasSubstr("custom state")));
}

// Packed weights of quantized layers: PyTorch has no entry for them, in the state_dict or in its _metadata.
TEST(TorchScript, ObjectsOfClassesInCppAreNoModules) {
  const Script script{.state = [](pickle::Writer& out) {
    out.empty_dict();
    out.text("q");
    out.global("__torch__.torch.classes.quantized", "Packed");
    out.empty_tuple();
    out.newobj();
    out.integer(5);
    out.build();
    out.setitem();
  }};
  const Value metadata = *load(script.bytes()).attribute("_metadata");
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_TRUE(metadata.contains(""));
  EXPECT_THAT(describe(script.bytes()).notes, ElementsAre(HasSubstr("custom state")));
}

TEST(TorchScript, ConstantsHaveNoNames) {
  const Script script{.constants = [](pickle::Writer& out) {
    Tensor().write(out);
    out.text("no tensor");
    out.tuple(2);
  }};
  const auto bytes = script.bytes();  // a listing reads from them
  const Value value = load(bytes);
  EXPECT_THAT(value.as_state_dict().names(), ElementsAre("w", "b"));
  ASSERT_TRUE(value.attribute("constants"));
  ASSERT_EQ(value.attribute("constants")->size(), 1u);
  const Listing listing = describe(bytes);
  ASSERT_EQ(listing.tensors.size(), 3u);
  EXPECT_EQ(listing.tensors[2].name, "constants.0");
  EXPECT_EQ(listing.tensors[2].record, "t/constants/0");
  EXPECT_NE(listing.tensors[2].storage, listing.tensors[1].storage);
  EXPECT_EQ(listing.tensors[2].alias_of, std::nullopt);
  EXPECT_TRUE(listing.read(2).same_bits(value.attribute("constants")->at(0).as_array()));
  EXPECT_TRUE(listing.read(0).same_bits(value.at("w").as_array()));
  EXPECT_FALSE(load(Script{}.bytes()).attribute("constants"));
}

TEST(TorchScript, BrokenArchives) {
  EXPECT_ERROR(load(Script{.module = "os"}.bytes()), ErrorCode::kCorrupt);  // no module of TorchScript
  EXPECT_ERROR(describe(Script{.module = "os"}.bytes()), ErrorCode::kCorrupt);
  EXPECT_ERROR(load(Script{.constants =
                               [](pickle::Writer& out) {
                                 Tensor tensor;
                                 tensor.pid.key = "1";
                                 tensor.write(out);
                                 out.tuple(1);
                               }}
                        .bytes()),
               ErrorCode::kNotFound);
  LoadOptions options;
  options.pickle_bytes = 400;
  const Script long_code{.code = "class C(Module):\n" + std::string(1000, ' ')};
  EXPECT_ERROR(load(long_code.bytes(), options), ErrorCode::kLimit);
  // A module within itself.
  const Script cycle{.state = [](pickle::Writer& out) {
    out.memoize(1);
    out.empty_dict();
    out.text("inner");
    out.recall(1);
    out.setitem();
  }};
  EXPECT_ERROR(load(cycle.bytes()), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sconce::checkpoint
