// Pickles without torch.save around them, and tensors as PyTorch 0.1 to 0.4 pickled them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/legacy_files.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes pickle_bytes(const Put& body) { return testing::to_bytes(pickle_of(body)); }

std::optional<ErrorCode> code(const Bytes& bytes, const LoadOptions& options = {}) {
  const auto loaded = testing::error_of([&] { load(bytes, options); });
  EXPECT_EQ(testing::error_of([&] { describe(bytes, options); }), loaded);
  return loaded;
}

// The text whose characters are the bytes, as UTF-8.
std::string latin1(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) out += static_cast<char>(0xC0 | byte >> 6);
    out += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3F));
  }
  return out;
}

// A storage by itself, in a stream.
LegacyFile storage_stream() {
  LegacyFile file;
  file.object = [](pickle::Writer& out) { LegacyPid().write(out); };
  return file;
}

// torch.storage._load_from_bytes(bytes), the bytes spelled as protocol 2 does.
void put_storage(pickle::Writer& out, const std::string& stream) {
  out.global("torch.storage", "_load_from_bytes");
  out.global("_codecs", "encode");
  out.text(latin1(stream));
  out.text("latin1");
  out.tuple(2);
  out.reduce();
  out.tuple(1);
  out.reduce();
}

void put_tensor(pickle::Writer& out, const std::string& stream) {
  out.global("torch._utils", "_rebuild_tensor_v2");
  out.mark();
  put_storage(out, stream);
  out.integer(0);
  for (const auto& [a, b] : {std::pair{2, 3}, std::pair{3, 1}}) {
    out.integer(a);
    out.integer(b);
    out.tuple(2);
  }
  out.boolean(false);
  out.none();
  out.tuple(6);
  out.reduce();
}

std::optional<ErrorCode> stream_code(const std::string& stream) {
  return code(pickle_bytes([&](pickle::Writer& out) { put_tensor(out, stream); }));
}

TEST(LegacyPickle, PicklesOfPython2) {
  for (const char* name : {"py2_0.pkl", "py2_1.pkl", "py2_2.pkl"}) {
    const std::string path = testing::golden_path(cat("formats/legacy/", name));
    const Listing listing = describe(path);
    EXPECT_EQ(listing.format, Format::kTorchLegacy);
    EXPECT_THAT(listing.notes, Contains(HasSubstr("plain Python pickle")));
    const Value value = load(path);
    EXPECT_EQ(value.at("od").at("a").as_int(), 1);
    EXPECT_EQ(value.at("od").at("bin").as_bytes().size(), 2u);
    EXPECT_EQ(value.at("t").at(2).as_float(), 1.5);
  }
  for (const char* name : {"py2_old0.pkl", "py2_old2.pkl"}) {
    EXPECT_EQ(load(testing::golden_path(cat("formats/legacy/", name))).global_name(), "Old");
  }
}

TEST(LegacyPickle, TensorsOfEveryProtocol) {
  for (const char* version : {"113", "213"}) {
    for (int protocol = 0; protocol <= 5; ++protocol) {
      const Value value =
          load(testing::golden_path(cat("legacy/data/plain", protocol, "_", version, ".pkl")));
      EXPECT_THAT(value.at("w").as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
      EXPECT_TRUE(value.at("p").as_tensor().is_parameter);
      EXPECT_EQ(value.at("n").as_int(), 1);
    }
  }
}

TEST(LegacyPickle, StoragesInByteStrings) {
  const std::string stream = storage_stream().text();
  const Bytes bytes = pickle_bytes([&](pickle::Writer& out) {
    out.mark();
    put_tensor(out, stream);
    put_storage(out, stream);
    out.memoize(1);
    out.recall(1);
    out.tuple(3);
  });
  const Value value = load(bytes);
  EXPECT_THAT(value.at(0).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(value.at(1).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_FALSE(value.at(0).as_array().storage() == value.at(1).as_array().storage());
  EXPECT_EQ(value.at(1).as_array().storage(), value.at(2).as_array().storage());  // one object
  const Listing listing = describe(bytes);
  EXPECT_EQ(listing.tensors.size(), 3u);
  EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_GT(listing.pickles.size(), 1u);  // those in the byte strings, too
}

TEST(LegacyPickle, ByteStringsThatAreNoStorage) {
  EXPECT_EQ(stream_code(storage_stream().text()), std::nullopt);
  EXPECT_EQ(stream_code(LegacyFile().text()), ErrorCode::kCorrupt);  // a tensor
  EXPECT_EQ(stream_code(""), ErrorCode::kTruncated);
  EXPECT_EQ(stream_code("N."), ErrorCode::kCorrupt);
  EXPECT_EQ(stream_code("PK\3\4"), ErrorCode::kTruncated);  // to a pickle, the begin of a line
  LegacyFile cut = storage_stream();
  cut.data.pop_back();
  EXPECT_EQ(stream_code(cut.text()), ErrorCode::kTruncated);
  // no second depth
  LegacyFile nested;
  nested.object = [](pickle::Writer& out) { put_storage(out, storage_stream().text()); };
  nested.keys = {};
  nested.data = "";
  EXPECT_EQ(stream_code(nested.text()), ErrorCode::kCorrupt);
  const auto call_code = [](const Put& args) {
    return code(pickle_bytes([&](pickle::Writer& out) {
      out.global("torch.storage", "_load_from_bytes");
      args(out);
      out.reduce();
    }));
  };
  EXPECT_EQ(call_code([](pickle::Writer& out) { out.empty_tuple(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(call_code([](pickle::Writer& out) {
              out.integer(1);
              out.tuple(1);
            }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code(pickle_bytes([](pickle::Writer& out) {
              put_storage(out, storage_stream().text());
              out.none();
              out.build();
            })),
            ErrorCode::kCorrupt);
}

TEST(LegacyPickle, BytesBehindAreNoted) {
  LegacyFile inner = storage_stream();
  inner.data += "xy";
  Bytes bytes = pickle_bytes([&](pickle::Writer& out) { put_tensor(out, inner.text()); });
  EXPECT_THAT(describe(bytes).notes, Contains(HasSubstr("2 bytes behind storages")));
  EXPECT_EQ(code(bytes, {.refuse_trailing = true}), ErrorCode::kCorrupt);
  bytes = pickle_bytes([](pickle::Writer& out) { out.none(); });
  EXPECT_EQ(code(bytes, {.refuse_trailing = true}), std::nullopt);
  bytes.resize(bytes.size() + 5);
  EXPECT_THAT(describe(bytes).notes, Contains(HasSubstr("5 bytes behind the pickle")));
  EXPECT_EQ(code(bytes, {.refuse_trailing = true}), ErrorCode::kCorrupt);
}

TEST(LegacyPickle, StrangersAreNamed) {
  // data.pkl of an archive, by itself
  EXPECT_EQ(code(pickle_bytes([](pickle::Writer& out) { Tensor().write(out); })), ErrorCode::kUnsupported);
  // joblib: bytes of an array between the opcodes
  std::string joblib = pickle_of([](pickle::Writer& out) {
    out.global("joblib.numpy_pickle", "NumpyArrayWrapper");
    out.empty_tuple();
    out.newobj();
  });
  joblib.back() = '\xFF';
  EXPECT_EQ(code(testing::to_bytes(joblib)), ErrorCode::kUnsupported);
  // text that begins as old pickles do
  for (const char* text : {"(hello) world", "]", "class Net:\n  pass\n", "c", "}", "(1, 2)"}) {
    EXPECT_EQ(code(testing::to_bytes(text)), ErrorCode::kUnsupported) << text;
  }
  EXPECT_EQ(code(testing::to_bytes("(lp0\nI1\na.")), std::nullopt);
  EXPECT_EQ(load(testing::to_bytes("}q\x01.")).size(), 0u);
  // an old pickle longer than what is looked at first
  std::string text = "(lp0\n";
  for (int i = 0; i < 1000; ++i) text += cat("I", i, "\na");
  EXPECT_EQ(code(testing::to_bytes(text)), ErrorCode::kTruncated);
  EXPECT_EQ(load(testing::to_bytes(text + ".")).size(), 1000u);
}

TEST(LegacyPickle, Damage) {
  const Bytes good = pickle_bytes([](pickle::Writer& out) { put_tensor(out, storage_stream().text()); });
  int refused = 0;
  testing::for_each_damage(good, [&](const Bytes& damaged) {
    try {
      const Listing listing = describe(damaged);
      load(damaged);
      for (std::size_t i = 0; i < listing.tensors.size(); ++i) listing.read(i);
    } catch (const Error&) {
      ++refused;
    }
  });
  EXPECT_GT(refused, 1000);
}

// ---- formats.md B.4, tensors of 0.1 to 0.4

void put_old_tensor(pickle::Writer& out, const LegacyTensor& tensor, const std::string& module = "torch",
                    const std::string& type = "FloatTensor") {
  out.global(module, type);
  out.empty_tuple();
  out.reduce();
  tensor.write_state(out);
  out.build();
}

Bytes stream_with(const Put& object) {
  LegacyFile file;
  file.object = object;
  return file.bytes();
}

TEST(LegacyTensors, DenseClasses) {
  for (const char* module : {"torch", "torch.cuda"}) {
    const Value value = load(stream_with([&](pickle::Writer& out) { put_old_tensor(out, {}, module); }));
    EXPECT_THAT(value.as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
    EXPECT_FALSE(value.as_tensor().requires_grad);
  }
  // in a zip archive, and over a view
  const Value zipped = load(file_of([](pickle::Writer& out) {
    out.global("torch", "FloatTensor");
    out.empty_tuple();
    out.reduce();
    out.mark();
    Pid().write(out);
    out.integer(3);
    for (const int number : {3, 1}) {
      out.integer(number);
      out.tuple(1);
    }
    out.tuple(4);
    out.build();
  }));
  EXPECT_THAT(zipped.as_array().to_vector<float>(), ElementsAre(3, 4, 5));
  const LegacyTensor view{.pid = {.view = ViewPart{}}, .sizes = {3}, .strides = {1}};
  EXPECT_THAT(load(stream_with([&](pickle::Writer& out) { put_old_tensor(out, view); }))
                  .as_array()
                  .to_vector<float>(),
              ElementsAre(2, 3, 4));
}

TEST(LegacyTensors, EmptyWithoutState) {
  LegacyFile file;
  file.object = [](pickle::Writer& out) {
    out.global("torch", "DoubleTensor");
    out.empty_tuple();
    out.reduce();
  };
  file.keys = {};
  file.data = "";
  const Array array = load(file.bytes()).as_array();
  EXPECT_EQ(array.shape(), Shape{0});
  EXPECT_EQ(array.dtype(), kFloat64);
  EXPECT_EQ(describe(file.bytes()).tensors.size(), 1u);
}

TEST(LegacyTensors, BrokenDenseOnes) {
  const auto state_code = [](const Put& state, const char* type = "FloatTensor") {
    return code(stream_with([&](pickle::Writer& out) {
      out.global("torch", type);
      out.empty_tuple();
      out.reduce();
      state(out);
    }));
  };
  const auto put_state = [](pickle::Writer& out) {
    LegacyTensor().write_state(out);
    out.build();
  };
  EXPECT_EQ(state_code(put_state), std::nullopt);
  EXPECT_EQ(state_code(put_state, "IntTensor"), ErrorCode::kCorrupt);  // over a storage of floats
  EXPECT_EQ(state_code([&](pickle::Writer& out) {
              put_state(out);
              put_state(out);
            }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(state_code([](pickle::Writer& out) {
              LegacyPid().write(out);
              out.build();
            }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code(stream_with([](pickle::Writer& out) { put_old_tensor(out, {.offset = 1}); })),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code(stream_with([](pickle::Writer& out) {  // with arguments
              out.global("torch", "FloatTensor");
              LegacyPid().write(out);
              out.tuple(1);
              out.reduce();
            })),
            ErrorCode::kCorrupt);
}

TEST(LegacyTensors, Sparse) {
  LegacyFile file;
  const auto put_sparse = [](pickle::Writer& out, const Put& indices, bool with_size = true) {
    out.global("torch.sparse", "FloatTensor");
    out.mark();
    indices(out);
    LegacyTensor({.sizes = {2}, .strides = {1}}).write(out);
    if (with_size) {
      out.integer(3);
      out.integer(4);
      out.tuple(2);
    }
    out.tuple(4);
    out.newobj();
  };
  const auto put_indices = [](pickle::Writer& out) {
    LegacyTensor({.pid = {.type = "LongStorage", .key = "1", .numel = 4}, .sizes = {2, 2}, .strides = {2, 1}})
        .write(out);
  };
  file.object = [&](pickle::Writer& out) { put_sparse(out, put_indices); };
  file.keys = {"0", "1"};
  file.data += little64(4) + little64(0) + little64(1) + little64(2) + little64(3);
  const Value value = load(file.bytes());
  ASSERT_TRUE(value.is_sparse());
  EXPECT_EQ(value.as_sparse().layout, "sparse_coo");
  EXPECT_EQ(value.as_sparse().size, (Shape{3, 4}));
  EXPECT_THAT(value.as_sparse().indices.to_vector<std::int64_t>(), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(value.as_sparse().values.to_vector<float>(), ElementsAre(0, 1));
  const Listing listing = describe(file.bytes());
  ASSERT_EQ(listing.tensors.size(), 2u);
  EXPECT_EQ(listing.tensors[1].role, "values");
  file.object = [&](pickle::Writer& out) { put_sparse(out, put_indices, false); };
  EXPECT_EQ(code(file.bytes()), ErrorCode::kCorrupt);
  EXPECT_EQ(code(stream_with([&](pickle::Writer& out) {
              put_sparse(out, [](pickle::Writer& indices) { indices.integer(1); });
            })),
            ErrorCode::kCorrupt);
}

// Variable(data), then (requires_grad, volatile, hooks) or (data, grad, hooks, requires_grad, volatile).
struct Variable {
  std::string module = "torch.autograd.variable";
  std::string name = "Variable";
  bool with_data = true;
  std::size_t state = 3;
  bool requires_grad = true;
  bool is_new = true;

  void write(pickle::Writer& out) const {
    out.global(module, name);
    if (with_data) {
      put_old_tensor(out, {});
      out.tuple(1);
    } else {
      out.empty_tuple();
    }
    is_new ? out.newobj() : out.reduce();
    if (state == 0) return;
    out.mark();
    if (state == 5) {
      put_old_tensor(out, {.offset = 3, .sizes = {3}, .strides = {1}});
      out.none();
      out.none();
    }
    out.boolean(requires_grad);
    out.boolean(false);
    if (state == 3) out.none();
    out.tuple(5);
    out.build();
  }
};

TEST(LegacyTensors, VariablesAndParameters) {
  const auto read = [](const Variable& variable) {
    return load(stream_with([&](pickle::Writer& out) { variable.write(out); })).as_tensor();
  };
  for (const bool is_new : {true, false}) {
    for (const bool requires_grad : {true, false}) {
      const TensorLeaf leaf = read({.requires_grad = requires_grad, .is_new = is_new});
      EXPECT_EQ(leaf.requires_grad, requires_grad);
      EXPECT_FALSE(leaf.is_parameter);
      EXPECT_THAT(leaf.array.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
    }
  }
  EXPECT_FALSE(read({.state = 0}).requires_grad);
  const TensorLeaf oldest = read({.with_data = false, .state = 5});
  EXPECT_THAT(oldest.array.to_vector<float>(), ElementsAre(3, 4, 5));
  EXPECT_TRUE(oldest.requires_grad);
  const Variable parameter{.module = "torch.nn.parameter", .name = "Parameter", .state = 0};
  EXPECT_TRUE(read(parameter).is_parameter);
  EXPECT_TRUE(read(parameter).requires_grad);
  EXPECT_TRUE(read({.module = "torch.nn.parameter", .name = "Parameter", .with_data = false, .state = 5})
                  .is_parameter);
  EXPECT_FALSE(
      read({.module = "torch.nn.parameter", .name = "Parameter", .requires_grad = false}).requires_grad);
  const auto broken = [](const Variable& variable) {
    return code(stream_with([&](pickle::Writer& out) { variable.write(out); }));
  };
  EXPECT_EQ(broken({.with_data = false}), ErrorCode::kCorrupt);  // no data at all
  EXPECT_EQ(broken({.state = 4}), ErrorCode::kCorrupt);
  const Listing listing = describe(stream_with([](pickle::Writer& out) { Variable().write(out); }));
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_TRUE(listing.tensors[0].requires_grad);
}

TEST(LegacyTensors, TheModuleTorchTensor) {
  // torch.tensor was the module torch._tensor until 1.7.
  const Value value = load(stream_with([](pickle::Writer& out) {
    out.global("torch.tensor", "_rebuild_from_type");
    out.mark();
    out.global("torch._utils", "_rebuild_tensor");
    out.global("torch", "Tensor");
    LegacyTensor().write_state(out);
    out.none();
    out.tuple(4);
    out.reduce();
  }));
  EXPECT_THAT(value.as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
}

}  // namespace
}  // namespace sconce::checkpoint
