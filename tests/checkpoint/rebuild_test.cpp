// The calls that torch pickles make, right and wrong (formats.md B.4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/value_builders.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using Write = std::function<void(pickle::Writer&)>;

void put_tensor(pickle::Writer& out) { Tensor().write(out); }
void put_none(pickle::Writer& out) { out.none(); }

// module.name(*args) of a file with the storage data/0.
Bytes file_with(const std::string& module, const std::string& name, const std::vector<Write>& args) {
  return file_of([&](pickle::Writer& out) {
    out.global(module, name);
    out.mark();
    for (const Write& arg : args) arg(out);
    out.tuple(7);
    out.reduce();
  });
}

Write text(const char* value) {
  return [value](pickle::Writer& out) { out.text(value); };
}
Write global(const char* module, const char* name) {
  return [=](pickle::Writer& out) { out.global(module, name); };
}
Write boolean(bool value) {
  return [value](pickle::Writer& out) { out.boolean(value); };
}
Write integers(std::vector<std::int64_t> values) {
  return [values = std::move(values)](pickle::Writer& out) {
    out.mark();
    for (const std::int64_t value : values) out.integer(value);
    out.tuple(7);
  };
}

TEST(Rebuild, ParametersOverWhatHasNoDataStayInert) {
  const Value value =
      load(file_with("torch._utils", "_rebuild_parameter", {text("x"), boolean(true), put_none}));
  EXPECT_TRUE(value.is_object());
  EXPECT_FALSE(meta_tensor(value));
}

TEST(Rebuild, ParametersWithStates) {
  const auto loaded = [](const char* key) {
    return load(file_with("torch._utils", "_rebuild_parameter_with_state",
                          {put_tensor, boolean(true), put_none, [=](pickle::Writer& out) {
                             out.empty_dict();
                             out.text(key);
                             out.integer(7);
                             out.setitem();
                           }}));
  };
  EXPECT_EQ(loaded("note").attribute("note")->as_int(), 7);
  EXPECT_TRUE(loaded("note").as_tensor().is_parameter);
  EXPECT_TRUE(loaded("__class__").is_object());
}

TEST(Rebuild, FunctionsThatAreNoTensorsStayInert) {
  const auto loaded = [](const Write& function, const Write& type, const Write& state) {
    return load(file_with("torch._tensor", "_rebuild_from_type_v2",
                          {function, type, [](pickle::Writer& out) { out.empty_tuple(); }, state}));
  };
  EXPECT_TRUE(loaded(global("os", "system"), global("torch", "Tensor"), put_none).is_object());
  EXPECT_TRUE(loaded(global("torch._tensor", "_rebuild_from_type_v2"), global("torch", "Tensor"), put_none)
                  .is_object());
  EXPECT_TRUE(loaded(text("x"), global("torch", "Tensor"), put_none).is_object());
  EXPECT_TRUE(loaded(global("os", "system"), text("x"), put_none).is_object());
  EXPECT_ERROR(loaded(global("torch._utils", "_rebuild_tensor_v2"), global("torch", "Tensor"), put_none),
               ErrorCode::kCorrupt);  // its arguments are missing
}

// Beside data/0, six numbers of eight zero bytes as data/1.
Bytes file_with_zeros(const Write& body) {
  Records records = records_of(pickle_of(body));
  records.insert(records.end() - 1, {"t/data/1", std::string(48, '\0')});
  return zip_of(records);
}

// The defaults are a matrix of 3 x 3.
struct Sparse {
  const char* layout = "torch.sparse_coo";
  const char* indices = "LongStorage";
  std::vector<std::vector<std::int64_t>> index_sizes = {{2, 3}};
  std::vector<std::int64_t> values = {3};
  std::vector<std::int64_t> size = {3, 3};

  void write(pickle::Writer& out) const {
    const auto put = [&out](Pid pid, const std::vector<std::int64_t>& sizes) {
      Tensor{.pid = std::move(pid), .sizes = sizes, .strides = std::vector<std::int64_t>(sizes.size(), 1)}
          .write(out);
    };
    out.global("torch._utils", "_rebuild_sparse_tensor");
    out.global("torch.serialization", "_get_layout");
    out.text(layout);
    out.tuple(1);
    out.reduce();
    out.mark();
    for (const auto& sizes : index_sizes) put({.type = indices, .key = "1"}, sizes);
    put({}, values);
    integers(size)(out);
    out.tuple(7);
    out.tuple(2);
    out.reduce();
  }
  Bytes file() const {
    return file_with_zeros([this](pickle::Writer& out) {
      out.empty_dict();
      out.text("s");
      write(out);
      out.setitem();
      out.text("w");
      put_tensor(out);
      out.setitem();
    });
  }
};

TEST(Rebuild, SparseParameters) {
  const Bytes bytes = file_with_zeros([](pickle::Writer& out) {
    out.global("torch._utils", "_rebuild_parameter");
    out.mark();
    Sparse{}.write(out);
    out.boolean(true);
    out.none();
    out.tuple(7);
    out.reduce();
  });
  const Value value = load(bytes);
  ASSERT_TRUE(value.is_sparse());
  EXPECT_TRUE(value.as_sparse().is_parameter && value.as_sparse().requires_grad);
  EXPECT_EQ(describe(bytes).tensors.size(), 2u);
}

// What shows in the description alone is refused without a look at an index, too. Salvage loses that tensor.
TEST(Rebuild, SparseTensorsWhosePartsDoNotFit) {
  const Sparse csr{"torch.sparse_csr", "LongStorage", {{4}, {3}}};
  EXPECT_EQ(describe(Sparse{}.file()).tensors.size(), 3u);
  EXPECT_EQ(describe(csr.file()).tensors.size(), 4u);
  const auto refused = [](Sparse sparse, const auto& change) {
    change(sparse);
    EXPECT_ERROR(load(sparse.file()), ErrorCode::kCorrupt);
    EXPECT_ERROR(describe(sparse.file()), ErrorCode::kCorrupt);
  };
  refused({}, [](Sparse& its) { its.size = {-3, 3}; });
  refused({}, [](Sparse& its) { its.size = {3, 3, 3}; });
  refused({}, [](Sparse& its) { its.values = {2}; });
  refused({}, [](Sparse& its) { its.index_sizes = {{6}}; });
  refused({}, [](Sparse& its) { its.indices = "DoubleStorage"; });
  refused({}, [](Sparse& its) { its.layout = "torch.sparse_other"; });
  refused(csr, [](Sparse& its) { its.size = {2, 3}; });
  refused(csr, [](Sparse& its) { its.size = {3}; });
  refused(csr, [](Sparse& its) { its.values = {2}; });
  refused(csr, [](Sparse& its) { its.indices = "DoubleStorage"; });
  const Salvage found = salvage(Sparse{.values = {2}}.file());
  ASSERT_EQ(found.lost.size(), 1u);
  EXPECT_EQ(found.lost[0].name, "s");
  EXPECT_TRUE(found.value.contains("w"));
}

struct Quantized {
  const char* scheme = "per_channel_affine";
  std::vector<double> scales = {0.5, 0.25};
  std::vector<std::int64_t> zero_points = {0, 1};
  std::int64_t axis = 0;

  Value load_it() const {
    Records records = records_of(pickle_of([&](pickle::Writer& out) {
      out.global("torch._utils", "_rebuild_qtensor");
      out.mark();
      Pid{.type = "QInt8Storage", .numel = 24}.write(out);
      out.integer(0);
      integers({2, 3})(out);
      integers({3, 1})(out);
      out.mark();
      out.global("torch", scheme);
      out.empty_list();
      for (const double scale : scales) {
        out.real(scale);
        out.append();
      }
      out.empty_list();
      for (const std::int64_t zero_point : zero_points) {
        out.integer(zero_point);
        out.append();
      }
      out.integer(axis);
      out.tuple(7);
      out.boolean(false);
      out.none();
      out.tuple(7);
      out.reduce();
    }));
    return load(zip_of(records));
  }
};

TEST(Rebuild, QuantizedPerChannel) {
  const TensorLeaf leaf = Quantized{}.load_it().as_tensor();
  EXPECT_THAT(leaf.quantization->scales.to_vector<double>(), ElementsAre(0.5, 0.25));
  EXPECT_EQ(leaf.quantization->zero_points.dtype(), kInt64);
  EXPECT_ERROR(Quantized{.scheme = "per_tensor_affine"}.load_it(), ErrorCode::kCorrupt);
  EXPECT_ERROR(Quantized{.scheme = "float32"}.load_it(), ErrorCode::kCorrupt);
  EXPECT_ERROR(Quantized{.axis = 2}.load_it(), ErrorCode::kCorrupt);
  EXPECT_ERROR(Quantized{.axis = -1}.load_it(), ErrorCode::kCorrupt);
  EXPECT_ERROR(Quantized{.axis = 1}.load_it(), ErrorCode::kCorrupt);  // three channels
  EXPECT_ERROR((Quantized{.scales = {0.5}}.load_it()), ErrorCode::kCorrupt);
}

// Three channels whose scales and zero points are tensors.
Bytes with_channels(const char* scales, std::int64_t count) {
  return file_with_zeros([=](pickle::Writer& out) {
    out.global("torch._utils", "_rebuild_qtensor");
    out.mark();
    Pid{.type = "QInt8Storage", .numel = 24}.write(out);
    out.integer(0);
    integers({3})(out);
    integers({1})(out);
    out.mark();
    out.global("torch", "per_channel_affine");
    for (int i = 0; i < 2; ++i) {
      Tensor{.pid = {.type = scales, .key = "1"}, .sizes = {count}, .strides = {1}}.write(out);
    }
    out.integer(0);
    out.tuple(4);
    out.boolean(false);
    out.none();
    out.tuple(7);
    out.reduce();
  });
}

TEST(Rebuild, ChannelsAreCountedWithoutTheirNumbers) {
  EXPECT_EQ(describe(with_channels("DoubleStorage", 3)).tensors.size(), 3u);
  EXPECT_TRUE(load(with_channels("DoubleStorage", 3)).is_array());
  for (const Bytes& bytes : {with_channels("DoubleStorage", 2), with_channels("LongStorage", 3)}) {
    EXPECT_ERROR(describe(bytes), ErrorCode::kCorrupt);
    EXPECT_ERROR(load(bytes), ErrorCode::kCorrupt);
  }
}

// A tensor whose values share the 24 bytes of data/0.
struct Packed {
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  std::int64_t offset = 0;
  const char* type = "QUInt4x2Storage";

  Bytes file() const {
    return file_with(
        "torch._utils", "_rebuild_qtensor",
        {[this](pickle::Writer& out) { Pid{.type = type, .numel = 24}.write(out); },
         [this](pickle::Writer& out) { out.integer(offset); }, integers(sizes), integers(strides),
         [](pickle::Writer& out) {
           out.global("torch", "per_tensor_affine");
           out.real(0.5);
           out.integer(1);
           out.tuple(3);
         },
         boolean(false), put_none});
  }
  TensorLeaf load_it() const { return load(file()).as_tensor(); }
};

TEST(Rebuild, ValuesThatShareBytes) {
  const TensorLeaf rows = Packed{{4, 12}, {12, 1}}.load_it();
  EXPECT_EQ(rows.array.shape(), (Shape{4, 6}));
  EXPECT_EQ(rows.quantization->packed, (Geometry{{4, 12}, {12, 1}, 0}));
  EXPECT_EQ((Packed{{3, 3}, {3, 1}}.load_it().array.shape()), (Shape{5}));    // nine values
  EXPECT_EQ((Packed{{4, 12}, {1, 4}}.load_it().array.shape()), (Shape{24}));  // transposed
  EXPECT_EQ((Packed{{}, {}}.load_it().array.shape()), (Shape{1}));
  EXPECT_EQ((Packed{{0, 3}, {3, 1}}.load_it().array.numel()), 0);
  EXPECT_EQ((Packed{{96}, {1}, 0, "QUInt2x4Storage"}.load_it().array.shape()), (Shape{24}));
  const TensorLeaf behind = Packed{{46}, {1}, 1}.load_it();  // PyTorch counts its offset in bytes
  EXPECT_EQ(behind.array.offset(), 1);
  EXPECT_EQ(behind.array.shape(), (Shape{23}));

  EXPECT_ERROR((Packed{{4, 13}, {13, 1}}.load_it()), ErrorCode::kCorrupt);
  EXPECT_ERROR((Packed{{49}, {1}}.load_it()), ErrorCode::kCorrupt);
  EXPECT_ERROR((Packed{{47}, {1}, 1}.load_it()), ErrorCode::kCorrupt);
  EXPECT_ERROR((Packed{{1}, {1}, INT64_MAX}.load_it()), ErrorCode::kOverflow);
  EXPECT_ERROR((Packed{{97}, {1}, 0, "QUInt2x4Storage"}.load_it()), ErrorCode::kCorrupt);
  EXPECT_ERROR((Packed{{-2}, {1}}.load_it()), ErrorCode::kCorrupt);

  const auto file = Packed{{4, 12}, {12, 1}}.file();  // which a listing reads from later
  const Listing listing = describe(file);
  EXPECT_EQ(listing.tensors.at(0).value_geometry().shape, (Shape{4, 12}));
  EXPECT_EQ(listing.tensors.at(0).bytes(), 24u);
  EXPECT_TRUE(listing.read(0).same_bits(rows.array));
}

TEST(Rebuild, ValuesThatShareBytesAreWrittenAsTheyWere) {
  for (const Packed& made : {Packed{{4, 12}, {12, 1}}, Packed{{3, 3}, {3, 1}}, Packed{{4, 12}, {1, 4}},
                             Packed{{46}, {1}, 1}, Packed{{96}, {1}, 0, "QUInt2x4Storage"}}) {
    for (const Format format : {Format::kTorchZip, Format::kTorchLegacy}) {
      const TensorLeaf leaf = made.load_it();
      MemorySink sink;
      SaveOptions options;
      options.format = format;
      save(sink, Value(leaf), options);
      const TensorLeaf back = load(sink.bytes()).as_tensor();
      EXPECT_EQ(back.quantization->packed, leaf.quantization->packed);
      EXPECT_EQ(back.array.storage().size(), 24u);
      EXPECT_TRUE(back.array.same_bits(leaf.array));
    }
  }
  MemorySink sink;
  TensorLeaf part = Packed{{4, 12}, {12, 1}}.load_it();
  part.array = part.array.narrow(0, 1, 2);  // without telling its sizes
  EXPECT_ERROR(save(sink, Value(part)), ErrorCode::kInvalidArgument);
  part.quantization->packed.reset();
  part.array = part.array.transpose(0, 1);
  EXPECT_ERROR(save(sink, Value(part)), ErrorCode::kInvalidArgument);
}

TEST(Rebuild, TensorsOfOtherDevices) {
  const auto file = [](const char* dtype) {
    return file_with("torch._utils", "_rebuild_device_tensor_from_cpu_tensor",
                     {put_tensor, global("torch", dtype), text("xla:0"), boolean(true)});
  };
  const Value value = load(file("float32"));
  EXPECT_EQ(value.as_tensor().device, "xla:0");
  EXPECT_TRUE(value.as_tensor().requires_grad);
  EXPECT_EQ(describe(file("float32")).tensors.size(), 1u);
  EXPECT_TRUE(load(file("float16")).is_object());  // to be converted: never written so by PyTorch
  EXPECT_TRUE(load(file("evil")).is_object());
  EXPECT_ERROR(load(file_with("torch._utils", "_rebuild_xla_tensor", {text("x")})), ErrorCode::kCorrupt);
}

TEST(Rebuild, TensorsThatStandInNumpyArrays) {
  const Write array = [](pickle::Writer& out) {
    out.global("numpy.core.multiarray", "_reconstruct");
    out.global("numpy", "ndarray");
    integers({0})(out);
    out.text("b");
    out.tuple(3);
    out.reduce();
    out.mark();
    out.integer(1);
    integers({4})(out);
    out.global("numpy", "dtype");
    out.text("u1");
    out.boolean(false);
    out.boolean(true);
    out.tuple(3);
    out.reduce();
    out.mark();
    out.integer(3);
    out.text("|");
    for (int i = 0; i < 3; ++i) out.none();
    for (const int number : {-1, -1, 0}) out.integer(number);
    out.tuple(7);
    out.build();
    out.boolean(false);
    out.text("abcd");
    out.tuple(7);
    out.build();
  };
  const Bytes bytes = file_with("torch._utils", "_rebuild_device_tensor_from_numpy",
                                {array, global("torch", "float32"), text("xla:1"), boolean(false)});
  const Value value = load(bytes);
  ASSERT_TRUE(value.is_array());
  EXPECT_THAT(value.as_array().to_vector<float>(), ElementsAre('a', 'b', 'c', 'd'));
  const Listing listing = describe(bytes);
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.tensors[0].record, "");
  EXPECT_FALSE(listing.tensors[0].has_checksum);
  EXPECT_EQ(listing.tensors[0].device, "xla:1");
  EXPECT_TRUE(listing.read(0).same_bits(value.as_array()));
  EXPECT_TRUE(load(file_with("torch._utils", "_rebuild_xla_tensor",
                             {text("x"), global("torch", "float32"), text("xla:1"), boolean(false)}))
                  .is_object());
}

}  // namespace
}  // namespace sconce::checkpoint
