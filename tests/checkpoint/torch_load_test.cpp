#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/readers.h"
#include "checkpoint/saved.h"
#include "codec/codec_test_util.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/codec/zip_reader.h"
#include "sconce/codec/zip_writer.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;

std::string fixture(std::string_view name) { return testing::golden_path(cat("formats/zip/", name)); }

void put_tensor(pickle::Writer& out) { Tensor().write(out); }

// Counts how often it is read.
class CountedSource : public MemorySource {
 public:
  using MemorySource::MemorySource;
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    ++reads;
    MemorySource::read_at(out, offset);
  }
  mutable std::atomic<int> reads = 0;
};

Records with(Records records, const std::string& name, const std::string& data) {
  for (auto& [known, content] : records) {
    if (known == name) {
      content = data;
      return records;
    }
  }
  records.emplace_back(name, data);
  return records;
}
Records without(Records records, const std::string& name) {
  std::erase_if(records, [&](const auto& record) { return record.first == name; });
  return records;
}
const Records kGood = records_of(pickle_of(put_tensor));

TEST(TorchLoad, FilesOfEveryVersion) {
  for (const char* name : {"w_17.pt", "w_113.pt", "w_26.pt", "min.pt", "nocrc.pt"}) {
    const Value value = load(fixture(name));
    const Array array = value.at("w").as_array();
    EXPECT_EQ(array.shape(), (Shape{2, 3})) << name;
    EXPECT_THAT(array.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5)) << name;
  }
}

TEST(TorchLoad, StateDictsKeepOrderAndMetadata) {
  for (const char* name : {"sd_17.pt", "sd_113.pt", "sd_26.pt"}) {
    const StateDict state = load(fixture(name)).as_state_dict();
    EXPECT_GT(state.size(), 0u) << name;
    ASSERT_TRUE(state.metadata()) << name;
    EXPECT_EQ(state.metadata()->front().first, "") << name;
    EXPECT_EQ(state.version(""), 1) << name;
  }
}

TEST(TorchLoad, ViewsOfOneStorageStayViews) {
  const Value value = load(fixture("views.weird.name_26.pt.tar"));
  std::vector<const void*> storages;
  for (const auto& [name, tensor] : value.items()) {
    if (tensor.is_array()) storages.push_back(tensor.as_array().storage().id());
  }
  ASSERT_GT(storages.size(), 1u);
  EXPECT_EQ(storages[0], storages[1]);
}

TEST(TorchLoad, WholeModulesStayInert) {
  const Value value = load(fixture("mod_26.pt"));
  ASSERT_TRUE(value.is_object());
  EXPECT_EQ(value.object_kind(), ObjectKind::kNew);
  EXPECT_EQ(value.global_module(), "torch.nn.modules.container");
  ASSERT_EQ(value.object_states().size(), 1u);
  EXPECT_TRUE(value.object_states().front().contains("_modules"));
}

TEST(TorchLoad, HandMadeFile) {
  const Value value = load(zip_of(kGood));
  EXPECT_THAT(value.as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
}

// formats.md A.6 and A.5.
TEST(TorchLoad, ContainerRules) {
  EXPECT_ERROR(load(zip_of({})), ErrorCode::kUnsupported);
  EXPECT_ERROR(load(zip_of({{"data.pkl", "x"}})), ErrorCode::kUnsupported);
  EXPECT_ERROR(load(zip_of({{"a/b.npy", "x"}})), ErrorCode::kCorrupt);  // no array of numpy
  EXPECT_ERROR(load(zip_of(with(kGood, "t/model.json", "x"))), ErrorCode::kUnsupported);
  EXPECT_ERROR(load(zip_of(with(kGood, "t/.data/extern_modules", "x"))), ErrorCode::kUnsupported);
  EXPECT_ERROR(load(zip_of(with(kGood, "elsewhere/x", "x"))), ErrorCode::kCorrupt);
  EXPECT_ERROR(load(zip_of(without(kGood, "t/version"))), ErrorCode::kUnsupported);
  for (const char* version : {"", "0", "11", "three", "3 ", "-1", "3\n\n", "99999999999999999999"}) {
    EXPECT_ERROR(load(zip_of(with(kGood, "t/version", version))), ErrorCode::kUnsupported);
  }
  for (const char* version : {"1", "3", "10\n"})
    EXPECT_NO_THROW(load(zip_of(with(kGood, "t/version", version))));
  EXPECT_ERROR(load(zip_of(with(kGood, "t/version", std::string(100, '0')))), ErrorCode::kCorrupt);
  EXPECT_NO_THROW(load(zip_of(with(without(kGood, "t/version"), "t/.data/version", "6\n"))));
  EXPECT_NO_THROW(load(zip_of(without(kGood, "t/byteorder"))));
  EXPECT_ERROR(load(zip_of(with(kGood, "t/byteorder", "middle"))), ErrorCode::kUnsupported);
  EXPECT_ERROR(load(zip_of(with(kGood, "t/byteorder", "little\n"))), ErrorCode::kUnsupported);
  EXPECT_NO_THROW(load(zip_of(with(kGood, "t/unknown", "x"))));
}

TEST(TorchLoad, BigEndianFilesAreSwapped) {
  Records records = with(kGood, "t/byteorder", "big");
  std::string& data = records[2].second;
  for (std::size_t i = 0; i < data.size(); i += 4)
    std::reverse(data.begin() + static_cast<long>(i), data.begin() + static_cast<long>(i) + 4);
  EXPECT_THAT(load(zip_of(records)).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
}

// formats.md B.2.
TEST(TorchLoad, StorageIds) {
  const auto code = [](const Pid& pid) {
    Tensor tensor;
    tensor.pid = pid;
    return testing::error_of([&] { load(file_of(tensor)); });
  };
  EXPECT_EQ(code({}), std::nullopt);
  EXPECT_EQ(code({.items = 4}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.items = 6}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.word = "module"}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.type = "NoStorage"}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.module = "evil", .type = "FloatStorage"}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.module = "torch.cuda"}), std::nullopt);
  EXPECT_EQ(code({.key = "1"}), ErrorCode::kNotFound);
  EXPECT_EQ(code({.key = "../../x"}), ErrorCode::kNotFound);
  EXPECT_EQ(code({.numel = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.numel = 5}), ErrorCode::kCorrupt);    // the record is longer than that
  EXPECT_EQ(code({.numel = 8}), ErrorCode::kTruncated);  // CVE-2026-24747: the record is shorter
  EXPECT_EQ(code({.numel = INT64_MAX}), ErrorCode::kOverflow);
  EXPECT_ERROR(load(file_of([](pickle::Writer& out) {
                 out.mark();
                 Tensor().write(out);
                 Tensor other;
                 other.pid.type = "IntStorage";
                 other.write(out);
                 out.tuple(7);
               })),
               ErrorCode::kCorrupt);
  EXPECT_ERROR(load(file_of([](pickle::Writer& out) {
                 out.text("0");
                 out.persid();
               })),
               ErrorCode::kCorrupt);
}

// formats.md B.4.
TEST(TorchLoad, TensorRules) {
  const auto code = [](const Tensor& tensor) { return testing::error_of([&] { load(file_of(tensor)); }); };
  EXPECT_EQ(code({}), std::nullopt);
  EXPECT_EQ(code({.sizes = {2}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.sizes = {2, 4}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.offset = 1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.offset = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.sizes = {2, -3}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.strides = {3, -1}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.offset = 6, .sizes = {0, 3}}), std::nullopt);
  EXPECT_EQ(code({.offset = 7, .sizes = {0, 3}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.sizes = {INT64_MAX, 3}}), ErrorCode::kOverflow);
  EXPECT_EQ(code({.sizes = {2, 3}, .strides = {INT64_MAX, 1}}), ErrorCode::kOverflow);
  EXPECT_EQ(code({.offset = INT64_MAX}), ErrorCode::kOverflow);
  EXPECT_EQ(code({.sizes = std::vector<std::int64_t>(65, 1), .strides = std::vector<std::int64_t>(65, 1)}),
            ErrorCode::kLimit);
  EXPECT_EQ(code({.requires_grad = [](pickle::Writer& out) { out.integer(1); }}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.function = "_rebuild_tensor"}), ErrorCode::kCorrupt);     // takes four arguments
  EXPECT_EQ(code({.function = "_rebuild_tensor_v3"}), ErrorCode::kCorrupt);  // takes seven
  EXPECT_EQ(code({.function = "_rebuild_qtensor"}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({.function = "_rebuild_tensor_v3",
                  .more = [](pickle::Writer& out) { out.global("torch", "int1"); }}),
            ErrorCode::kUnsupported);
  const auto metadata = [](const char* name) {
    return [name](pickle::Writer& out) {
      out.empty_dict();
      out.text(name);
      out.boolean(true);
      out.setitem();
    };
  };
  EXPECT_EQ(code({.more = metadata("conj")}), ErrorCode::kCorrupt);  // of a real tensor
  EXPECT_EQ(code({.more = metadata("zero")}), ErrorCode::kUnsupported);
  const Array negated = load(file_of(Tensor{.more = metadata("neg")})).as_array();
  EXPECT_THAT(negated.to_vector<float>(), ElementsAre(0, -1, -2, -3, -4, -5));
}

TEST(TorchLoad, ExpandedTensorsAreNotMadeReal) {
  const std::int64_t wide = std::int64_t{1} << 40;
  const Array array = load(file_of(Tensor{.sizes = {wide, 3}, .strides = {0, 1}})).as_array();
  EXPECT_EQ(array.size(0), wide);
  EXPECT_EQ(array.storage().size(), 24u);
  Tensor lazy{.sizes = {wide, 3}, .strides = {0, 1}};
  lazy.more = [](pickle::Writer& out) {
    out.empty_dict();
    out.text("neg");
    out.boolean(true);
    out.setitem();
  };
  EXPECT_ERROR(load(file_of(lazy)), ErrorCode::kLimit);
}

TEST(TorchLoad, OldParameters) {
  const Value value = load(file_of([](pickle::Writer& out) {
    out.global("torch.nn.parameter", "Parameter");
    put_tensor(out);
    out.tuple(1);
    out.newobj();
    out.boolean(false);
    out.boolean(false);
    out.none();
    out.tuple(3);
    out.build();
  }));
  EXPECT_TRUE(value.as_tensor().is_parameter);
  EXPECT_FALSE(value.as_tensor().requires_grad);
}

TEST(TorchLoad, OrderedDictOfPython2) {
  const Value value = load(file_of([](pickle::Writer& out) {
    out.global("collections", "OrderedDict");
    out.empty_list();
    out.empty_list();
    out.text("k");
    out.append();
    out.integer(5);
    out.append();
    out.append();
    out.tuple(1);
    out.reduce();
  }));
  EXPECT_TRUE(value.is_ordered_dict());
  EXPECT_EQ(value.at("k").as_int(), 5);
}

TEST(TorchLoad, UnknownCallsAreNeverMadeAndKeepTheirParts) {
  const Value value = load(file_of([](pickle::Writer& out) {
    out.global("os", "system");
    out.text("echo no");
    out.tuple(1);
    out.reduce();
  }));
  ASSERT_TRUE(value.is_object());
  EXPECT_EQ(value.global_module(), "os");
  EXPECT_EQ(value.object_args().at(0).as_string(), "echo no");
}

TEST(TorchLoad, MalformedKnownCalls) {
  const auto code = [](const char* module, const char* name,
                       const std::function<void(pickle::Writer&)>& args) {
    return testing::error_of([&] {
      load(file_of([&](pickle::Writer& out) {
        out.global(module, name);
        out.mark();
        args(out);
        out.tuple(7);
        out.reduce();
      }));
    });
  };
  const auto none = [](pickle::Writer& out) { out.none(); };
  const auto two = [](pickle::Writer& out) {
    out.text("a");
    out.text("b");
  };
  EXPECT_EQ(code("builtins", "set", none), ErrorCode::kCorrupt);
  EXPECT_EQ(code("builtins", "complex", none), ErrorCode::kCorrupt);
  EXPECT_EQ(code("builtins", "bytearray", none), ErrorCode::kCorrupt);
  EXPECT_EQ(code("collections", "OrderedDict", none), ErrorCode::kCorrupt);
  EXPECT_EQ(code("_codecs", "encode", two), ErrorCode::kCorrupt);
  EXPECT_EQ(code("_codecs", "encode",
                 [](pickle::Writer& out) {
                   out.text("\u4e2d");
                   out.text("latin1");
                 }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code("builtins", "set",
                 [](pickle::Writer& out) {
                   out.empty_list();
                   out.empty_dict();
                   out.append();
                 }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code("torch._utils", "_rebuild_sparse_tensor", two), ErrorCode::kCorrupt);
}

TEST(TorchLoad, DeepNestingAndCycles) {
  const Value deep = load(file_of([](pickle::Writer& out) {
    for (int i = 0; i < 100'000; ++i) out.empty_list();
    for (int i = 1; i < 100'000; ++i) out.append();
  }));
  EXPECT_EQ(deep.size(), 1u);
  MemorySink sink;
  save(sink, deep);
  EXPECT_EQ(load(sink.bytes()).size(), 1u);

  const Value cycle = load(file_of([](pickle::Writer& out) {
    out.empty_list();
    out.memoize(1);
    out.recall(1);
    out.append();
  }));
  EXPECT_TRUE(cycle.at(0).is(cycle));
}

TEST(TorchLoad, Limits) {
  LoadOptions options;
  options.pickle_bytes = 10;
  EXPECT_ERROR(load(zip_of(kGood), options), ErrorCode::kLimit);
  options = {};
  options.pickle.opcodes = 3;
  EXPECT_ERROR(load(zip_of(kGood), options), ErrorCode::kLimit);
}

// Every cut and every flipped bit is an error or leaves the value as it was.
TEST(TorchLoad, DamageIsFoundOrHarmless) {
  const Bytes good = zip_of(kGood);
  const Array expected = load(good).as_array();
  int refused = 0;
  testing::for_each_damage(good, [&](const Bytes& damaged) {
    try {
      const Value value = load(damaged);
      ASSERT_TRUE(value.is_array());
      EXPECT_TRUE(value.as_array().same_bits(expected));
    } catch (const Error&) {
      ++refused;
    }
  });
  EXPECT_GT(refused, 1000);
}

TEST(TorchLoad, ChecksumsAreComparedUnlessToldOtherwise) {
  Bytes bytes = zip_of(kGood);
  const std::string one = std::string(as_chars(std::as_bytes(std::span("\0\0\x80\x3F\0\0\0\x40", 8))));
  const std::size_t at = as_chars(bytes).find(one);
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= std::byte{1};
  EXPECT_ERROR(load(bytes), ErrorCode::kChecksum);
  LoadOptions options;
  options.check_crc = false;
  EXPECT_NO_THROW(load(bytes, options));
}

class TorchLoadFile : public TemporaryFolder {};

TEST_F(TorchLoadFile, MappedTensorsChangeInMemoryOnly) {
  put("a.pt", as_chars(zip_of(kGood)));
  LoadOptions options;
  options.map = true;
  Array array = load(path("a.pt"), options).as_array();
  EXPECT_THAT(array.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  array.fill(7);
  EXPECT_THAT(load(path("a.pt")).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(TorchLoadFile, ErrorsNameTheFile) {
  EXPECT_ERROR(load(path("missing.pt")), ErrorCode::kNotFound);
  put("empty.pt", "");
  try {
    load(path("empty.pt"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(error.path(), path("empty.pt"));
  }
}

// PyTorch wrote "10" before "2" for years. A read for each record would be thousands.
TEST(TorchLoad, RecordsAreReadInTheOrderOfTheFile) {
  constexpr int kTensors = 2000;
  Value tree = Value::dict({});
  for (int i = 0; i < kTensors; ++i) tree.set_item(cat("t", i), Array::full({256}, i, kFloat32));
  const std::vector<std::byte> bytes = saved_bytes(tree);
  const zip::Reader in(std::make_shared<MemorySource>(bytes));
  std::vector<zip::Entry> entries(in.entries().begin(), in.entries().end());
  const auto first = std::stable_partition(entries.begin(), entries.end(), [](const zip::Entry& entry) {
    return entry.name.find("/data/") == std::string::npos;
  });
  std::sort(first, entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  MemorySink sink;
  zip::Writer out(sink);
  for (const zip::Entry& entry : entries) out.add(entry.name, in.read(entry));
  out.finish();

  const auto source = std::make_shared<CountedSource>(sink.bytes());
  const Value loaded = load_torch_zip({source, nullptr, ""}, {});
  for (int i = 0; i < kTensors; ++i) {
    ASSERT_EQ(loaded.at(cat("t", i)).as_array().data<float>()[255], static_cast<float>(i));
  }
  EXPECT_LT(source->reads, 100);
}

}  // namespace
}  // namespace sconce::checkpoint
