#include <gtest/gtest.h>

#include <string>

#include "checkpoint/torch_names.h"
#include "sconce/base/byte_reader.h"
#include "sconce/checkpoint/pickle_facts.h"

namespace sconce::checkpoint {
namespace {

// How far the first global of a pickle's body is trusted.
Trust trust_in(const std::string& body) {
  const std::string pickle = "\x80\x02" + body + ".";
  const auto bytes = as_byte_span(pickle);
  const PickleFacts facts =
      pickle_facts("", pickle::parse_at(pickle::Input::own({bytes.begin(), bytes.end()}), 0));
  EXPECT_FALSE(facts.error.has_value()) << facts.error->what();
  EXPECT_FALSE(facts.globals.empty());
  return facts.globals.front().trust;
}

TEST(Trust, IsAnAllowList) {
  EXPECT_EQ(trust_of("torch", "float32"), Trust::kPlain);
  EXPECT_EQ(trust_of("torch", "FloatStorage"), Trust::kPlain);
  EXPECT_EQ(trust_of("torch.cuda.sparse", "LongTensor"), Trust::kPlain);
  EXPECT_EQ(trust_of("torch._utils", "_rebuild_tensor_v2"), Trust::kPlain);
  EXPECT_EQ(trust_of("argparse", "Namespace"), Trust::kInert);
  EXPECT_EQ(trust_of("torch.nn.modules.linear", "Linear"), Trust::kInert);
  EXPECT_EQ(trust_of("torch.nn.modules.conv", "Conv2d"), Trust::kInert);
  EXPECT_EQ(trust_of("__torch__.net", "Net"), Trust::kInert);
}

TEST(Trust, WhatIsNotListedCouldRunCode) {
  for (const auto& [module, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {"os", "system"},
           {"builtins", "eval"},
           {"builtins", "getattr"},
           {"builtins", "type"},
           {"functools", "partial"},
           {"copyreg", "_reconstructor"},
           {"operator", "attrgetter"},
           {"torch", "load"},
           {"torch.hub", "load"},
           {"torch.storage", "_load_from_bytes"},
           {"torch", "FloatTensor "},
           {"torch", "tensor.FloatTensor"},
           {"torch._utils", "_import_dotted_name"},
           {"torch._utils", "torch"},
           {"torch.nn.modules.linear", "Lin"},
           {"torch.nn.modules.linear", "Linear Identity"},
           {"torch.nn.modules.linear", "NonDynamicallyQuantizableLinear"},
           {"torch.nn.modules.module", "register_module_forward_hook"},
           {"torch.nn.modules", "linear.Linear"},
           {"", ""},
           {"torchvision.models.resnet", "ResNet"},
           {"__torch", "x"},
           {"torch.jit._pickle", "anything"},
       }) {
    EXPECT_EQ(trust_of(module, name), Trust::kUnknown) << module << " " << name;
    EXPECT_FALSE(why_trusted(Trust::kUnknown, module, name).empty());
  }
}

TEST(Trust, DTypesOfNumpyMustBeHonest) {
  const auto dtype = [](const std::string& code, const std::string& state) {
    return "cnumpy\ndtype\n(X" + std::string(1, static_cast<char>(code.size())) + std::string(3, '\0') +
           code + "\x89\x88tR" + state;
  };
  const std::string head("(K\x03X\x01\x00\x00\x00|NNN", 12);
  const std::string minus("J\xFF\xFF\xFF\xFF", 5);
  EXPECT_EQ(trust_in(dtype("f4", head + minus + minus + std::string("K\0tb", 4))), Trust::kInert);
  EXPECT_EQ(trust_in(dtype("O8", head + minus + minus + "K?tb")), Trust::kInert);  // 63
  EXPECT_EQ(trust_in(dtype("O8", "")), Trust::kInert);
  EXPECT_EQ(trust_in(dtype("U3", head + "K\x0CK\x04K\x08tb")), Trust::kInert);
  // No objects, it says, of a dtype of objects: bytes would become pointers.
  EXPECT_EQ(trust_in(dtype("O8", head + minus + minus + std::string("K\0tb", 4))), Trust::kUnknown);
  EXPECT_EQ(trust_in(dtype("f4", head + minus + minus + "K?tb")), Trust::kUnknown);
  EXPECT_EQ(trust_in(dtype("f4", head + "K\x7F" + minus + std::string("K\0tb", 4))), Trust::kUnknown);
  EXPECT_EQ(trust_in(dtype("U3", head + "K\x7FK\x04K\x08tb")), Trust::kUnknown);
  EXPECT_EQ(trust_in(dtype("V8", std::string("(K\x03X\x01\x00\x00\x00|N]}", 12) + "K\x08K\x01K\x08tb")),
            Trust::kUnknown);
  EXPECT_EQ(trust_in(dtype("q", "")), Trust::kUnknown);
}

TEST(Trust, ModulesAreMadeWithoutTheirConstructor) {
  const std::string linear = "ctorch.nn.modules.linear\nLinear\n";
  EXPECT_EQ(trust_in(linear + ")\x81}b"), Trust::kInert);
  EXPECT_EQ(trust_in(linear + "(K\x01K\x02t\x81"), Trust::kUnknown);
  EXPECT_EQ(trust_in(linear + ")R"), Trust::kUnknown);
  EXPECT_EQ(trust_in(linear + ")\x81)R"), Trust::kUnknown);  // the module itself is called
}

TEST(Trust, OddUsesOfTorch) {
  EXPECT_EQ(trust_in("ctorch\nFloatTensor\n)R"), Trust::kPlain);
  EXPECT_EQ(trust_in("ctorch\nFloatTensor\n)RK\x01K\x02s"), Trust::kUnknown);
  EXPECT_EQ(trust_in("ctorch\nFloatTensor\n(cargparse\nNamespace\n)\x81}btR"), Trust::kUnknown);
  EXPECT_EQ(trust_in("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nNNNtR"),
            Trust::kPlain);
  EXPECT_EQ(trust_in("ctorch._tensor\n_rebuild_from_type_v2\n(cnumpy\ndtype\nNNNtR"), Trust::kUnknown);
}

}  // namespace
}  // namespace sconce::checkpoint
