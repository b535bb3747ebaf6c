// The prediction is compared with PyTorch itself in tests/torch/test_verify.py; here stand its edges.
#include "checkpoint/weights_only.h"

#include <gtest/gtest.h>

#include "checkpoint/broken_files.h"
#include "sconce/base/byte_reader.h"

namespace sconce::checkpoint::weights_only {
namespace {

std::vector<WeightsOnly> predict(const std::string& pickle, PidForm pids = PidForm::kZip) {
  Verdicts verdicts;
  follow({"data.pkl", as_byte_span(pickle), 0, pids, [](std::string_view key) { return key == "0"; }},
         verdicts);
  return verdicts.answers();
}

// Which versions take it: "1.13 2.6 2.13".
std::string accepting(const std::string& pickle, PidForm pids = PidForm::kZip) {
  std::string out;
  for (const WeightsOnly& answer : predict(pickle, pids)) {
    if (answer.accepted) out += (out.empty() ? "" : " ") + answer.version;
    EXPECT_EQ(answer.accepted, answer.reason.empty());
  }
  return out;
}

constexpr const char* kAll = "1.13 2.6 2.13";

TEST(WeightsOnly, PlainValues) {
  EXPECT_EQ(accepting("\x80\x02}X\x01" + std::string(3, '\0') + "aK\x01s."), kAll);
  EXPECT_EQ(accepting("K\x01."), kAll);
  EXPECT_EQ(accepting("G" + std::string(8, '\0') + "."), "2.6 2.13");
  EXPECT_EQ(accepting("\x8C\x01"
                      "a."),
            "");
}

TEST(WeightsOnly, GlobalsByVersion) {
  EXPECT_EQ(accepting("ccollections\nOrderedDict\n."), kAll);
  EXPECT_EQ(accepting("ccollections\nCounter\n."), "2.6 2.13");
  EXPECT_EQ(accepting("c__builtin__\nset\n."), "2.6 2.13");
  EXPECT_EQ(accepting("ctorch._utils\n_rebuild_sparse_csr_tensor\n."), "1.13");
  EXPECT_EQ(accepting("ctorch\nfloat8_e8m0fnu\n."), "2.13");
  EXPECT_EQ(accepting("ctorch\nfloat6_e2m3fn_x4\n."), "");  // a dtype of ours alone
  EXPECT_EQ(accepting("ctorch\nuint8\n."), "2.6 2.13");
  EXPECT_EQ(accepting("cos\nsystem\n."), "");
  EXPECT_EQ(accepting("ctorch\n_utils._rebuild_tensor_v2\n."), kAll);  // joined by a dot, it is the same name
}

TEST(WeightsOnly, TheFirstReasonCounts) {
  const std::string pickle = "\x80\x02(cos\nsystem\ncbuiltins\neval\nt.";
  for (const WeightsOnly& answer : predict(pickle)) {
    EXPECT_FALSE(answer.accepted);
    EXPECT_NE(answer.reason.find("os.system"), std::string::npos);
    EXPECT_EQ(answer.record, "data.pkl");
    EXPECT_EQ(answer.offset, 3u);
  }
}

TEST(WeightsOnly, VersionsStopAtPlacesOfTheirOwn) {
  const std::string real = "G" + std::string(8, '\0');
  const auto answers = predict("(" + real + "cos\nsystem\nt.");
  EXPECT_EQ(answers[0].offset, 1u);
  EXPECT_EQ(answers[1].offset, 10u);
  EXPECT_EQ(answers[2].offset, 10u);
}

TEST(WeightsOnly, ItemsAndStates) {
  EXPECT_EQ(accepting("]K\x01"
                      "aK" +
                      std::string(1, '\0') + "K\x02s."),
            "1.13 2.6");  // a list takes items before 2.13
  EXPECT_EQ(accepting("]K\x07K\x02s."), "");
  EXPECT_EQ(accepting("}]K\x02s."), "");  // unhashable
  EXPECT_EQ(accepting("})]\x85K\x02s."), "");
  EXPECT_EQ(accepting("ccollections\nOrderedDict\n)R}b."), kAll);
  EXPECT_EQ(accepting("ccollections\nOrderedDict\n)RK\x01"
                      "b."),
            "");
  EXPECT_EQ(accepting("ccollections\nOrderedDict\n)\x81."), "2.6 2.13");
}

TEST(WeightsOnly, BrokenPicklesAreRefused) {
  for (const char* pickle :
       {"", "K", "K\x01", "X\xFF", "h\x01.", "t.", "R.", ".", "\x85.", "(e.", "K\x01q", "cos\n", "\xFF"}) {
    EXPECT_EQ(accepting(pickle), "") << pickle;
  }
}

std::string pid(const std::string& key, const std::string& cls = "ctorch\nFloatStorage\n") {
  const auto text = [](const std::string& value) {
    return "X" + std::string(1, static_cast<char>(value.size())) + std::string(3, '\0') + value;
  };
  return "(" + text("storage") + cls + text(key) + text("cpu") + "K\x06";
}

TEST(WeightsOnly, PersistentIds) {
  EXPECT_EQ(accepting(pid("0") + "tQ."), kAll);
  EXPECT_EQ(accepting(pid("1") + "tQ."), "");   // no such record
  EXPECT_EQ(accepting(pid("0") + "NtQ."), "");  // six items
  EXPECT_EQ(accepting(pid("1") + "NtQ.", PidForm::kLegacy), kAll);
  EXPECT_EQ(accepting(pid("1") + "tQ.", PidForm::kLegacy), "");
  EXPECT_EQ(accepting(pid("0") + "tQ.", PidForm::kNone), "");
  EXPECT_EQ(accepting(pid("0", "cos\nsystem\n") + "tQ."), "");
  EXPECT_EQ(accepting(pid("0", "ctorch._utils\n_rebuild_tensor\n") + "tQ."), "");
  EXPECT_EQ(accepting("K\x05Q."), "");
}

// One list that is copied over and over must not cost its length each time without end.
TEST(WeightsOnly, CopiesAreLimited) {
  std::string pickle = "](";
  for (int i = 0; i < 100'000; ++i) pickle += "K\x01";
  pickle += "e\x85q\x01";
  for (int i = 0; i < 100'000; ++i) pickle += "cbuiltins\nset\nh\x01R";
  for (const WeightsOnly& answer : predict(pickle + ".")) {
    EXPECT_FALSE(answer.accepted);
    EXPECT_NE(answer.reason.find("followed"), answer.version == "1.13" ? 0u : std::string::npos)
        << answer.reason;
  }
}

// Its sizes are looked at while it is made, when a legacy stream's storages are still to be read.
TEST(WeightsOnly, NestedTensorsOfLegacyStreams) {
  const auto pickle = [](std::size_t pid_items) {
    return pickle_of([&](pickle::Writer& out) {
      out.global("torch._utils", "_rebuild_nested_tensor");
      out.mark();
      const Pid pid{.type = "LongStorage", .numel = 3, .items = pid_items};
      Tensor{.pid = pid, .sizes = {3}, .strides = {1}}.write(out);
      for (int i = 0; i < 2; ++i) Tensor{.pid = pid, .sizes = {1, 1}, .strides = {1, 1}}.write(out);
      Tensor{.pid = pid, .sizes = {1}, .strides = {1}}.write(out);
      out.tuple(4);
      out.reduce();
    });
  };
  EXPECT_EQ(accepting(pickle(5)), "2.6 2.13");
  EXPECT_EQ(accepting(pickle(6), PidForm::kLegacy), "");
}

// Functions that call functions, nested in their arguments.
TEST(WeightsOnly, NestedCallsAreLimited) {
  std::string pickle;
  for (int i = 0; i < 100'000; ++i) pickle += "ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n";
  EXPECT_EQ(accepting(pickle + "."), "2.6 2.13");
  pickle = ")";
  for (int i = 0; i < 1000; ++i) {
    // (func, class, args, state) with func itself one that calls.
    pickle +=
        "q\x01"
        "0(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\nh\x01Nt";
  }
  EXPECT_EQ(accepting("ctorch._tensor\n_rebuild_from_type_v2\n" + pickle + "R."), "");
}

}  // namespace
}  // namespace sconce::checkpoint::weights_only
