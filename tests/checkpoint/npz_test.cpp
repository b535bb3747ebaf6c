// numpy's .npy and .npz.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/npy_header.h"
#include "checkpoint/saved.h"
#include "codec/codec_test_util.h"
#include "sconce/base/byte_writer.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using namespace std::string_literals;

std::string npy(const std::string& header, const std::string& data, int major = 1) {
  ByteWriter out;
  out.chars("\x93NUMPY");
  out.u8(static_cast<std::uint8_t>(major));
  out.u8(0);
  if (major == 1) {
    out.little(static_cast<std::uint16_t>(header.size()));
  } else {
    out.little(static_cast<std::uint32_t>(header.size()));
  }
  out.chars(header);
  out.chars(data);
  return std::string(as_chars(out.take()));
}

std::string header_of(const char* descr, const char* order, const char* shape) {
  return cat("{'descr': ", descr, ", 'fortran_order': ", order, ", 'shape': ", shape, ", }\n");
}

std::optional<ErrorCode> code(const std::string& file) {
  const auto bytes = testing::to_bytes(file);
  const auto loaded = testing::error_of([&] { load(bytes); });
  EXPECT_EQ(loaded, testing::error_of([&] { describe(bytes); }));
  return loaded;
}

std::vector<std::byte> npz_bytes(const Value& value) { return saved_bytes(value, {.format = Format::kNpz}); }

TEST(Npy, NumbersInBothOrders) {
  const std::string little = "\1\0\2\0\3\0\4\0\5\0\6\0"s;
  const std::string big = "\0\1\0\2\0\3\0\4\0\5\0\6"s;
  for (const int major : {1, 2, 3}) {
    const Value row_major =
        load(testing::to_bytes(npy(header_of("'<i2'", "False", "(2, 3)"), little, major)));
    EXPECT_THAT(row_major.as_array().to_vector<std::int16_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
  }
  const auto bytes = testing::to_bytes(npy(header_of("'>i2'", "True", "(2, 3)"), big));
  EXPECT_THAT(load(bytes).as_array().to_vector<std::int16_t>(), ElementsAre(1, 3, 5, 2, 4, 6));
  const Listing listing = describe(bytes);
  EXPECT_EQ(listing.format, Format::kNpz);
  EXPECT_EQ(listing.tensors.at(0).name, "");
  EXPECT_EQ(listing.tensors.at(0).geometry.strides, (Strides{1, 2}));
  EXPECT_THAT(listing.read(0).to_vector<std::int16_t>(), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST(Npy, WhatAHeaderMayBe) {
  const std::string six(24, '\0');
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(2, 3)"), six)), std::nullopt);
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(6,)"), six)), std::nullopt);
  EXPECT_EQ(code(npy(header_of("\"<f4\"", "False", "(2L, 3L)"), six)), std::nullopt);  // Python 2
  EXPECT_EQ(code(npy("{'shape':(6,),'descr':'<f4','fortran_order':False}      \n", six)), std::nullopt);
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "()"), "abcd")), std::nullopt);
  EXPECT_EQ(code(npy(header_of("'|b1'", "True", "(0, 5)"), "")), std::nullopt);
  EXPECT_EQ(code(npy(header_of("'<b1'", "False", "(1,)"), "\1")), std::nullopt);
}

TEST(Npy, BrokenHeaders) {
  const std::string six(24, '\0');
  const auto corrupt = [&](const std::string& header) {
    EXPECT_EQ(code(npy(header, six)), ErrorCode::kCorrupt) << header;
  };
  corrupt(header_of("'<f4'", "False", "(6)"));
  corrupt(header_of("'<f4'", "False", "(2 3)"));
  corrupt(header_of("'<f4'", "False", "(2, -3)"));
  corrupt(header_of("'<f4'", "False", "(2, 3.0)"));
  corrupt(header_of("'<f4'", "False", "[2, 3]"));
  corrupt(header_of("'<f4'", "0", "(2, 3)"));
  corrupt(header_of("'<f\\x34'", "False", "(2, 3)"));
  corrupt(header_of("__import__('os').system('x')", "False", "(2, 3)"));
  corrupt("{'descr': '<f4', 'fortran_order': False, }\n");
  corrupt("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}\n");
  corrupt("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}\n");
  corrupt("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} # comment\n");
  corrupt("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}");  // no newline
  corrupt("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)\n");
  corrupt("\n");
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(7,)"), six)), ErrorCode::kTruncated);
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(5,)"), six)),
            ErrorCode::kCorrupt);  // more than one array?
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(9223372036854775807, 9223372036854775807, 0)"), "")),
            ErrorCode::kOverflow);
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(99999999999999999999,)"), "")), ErrorCode::kOverflow);
  std::string ones = "(";
  for (int i = 0; i < 65; ++i) ones += "1,";
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", (ones + ")").c_str()), "abcd")), ErrorCode::kLimit);
  EXPECT_EQ(code(npy(header_of("'<f4'", "False", "(6,)"), six, 4)), ErrorCode::kUnsupported);
  EXPECT_EQ(code(npy(std::string(100'000, ' '), "", 2)), ErrorCode::kLimit);
  const std::string good = npy(header_of("'<f4'", "False", "(2, 3)"), six);
  for (std::size_t size = 1; size < good.size(); ++size) EXPECT_NE(code(good.substr(0, size)), std::nullopt);
}

TEST(Npy, TypesWithoutATensor) {
  for (const char* descr : {"'|O'", "'<U3'", "'|S3'", "'|V2'", "'<M8[ns]'", "'<f16'", "'<c32'", "'|f4'",
                            "'f4'", "'=f4'", "''", "[('a', '<f4')]", "('<f4', (2,))"}) {
    EXPECT_EQ(code(npy(header_of(descr, "False", "(6,)"), std::string(24, '\0'))), ErrorCode::kUnsupported)
        << descr;
  }
}

TEST(Npz, RecordsAreArrays) {
  const std::string one = npy(header_of("'<f4'", "False", "(1,)"), "\0\0\x80\x3f"s);
  const Bytes good = zip_of({{"a.w.npy", one}, {"sub/b.npy", one}});
  const Value value = load(good);
  EXPECT_EQ(value.at("sub/b").as_array().to_vector<float>(), std::vector<float>{1});
  const Listing listing = describe(good);
  EXPECT_EQ(listing.tensors.at(0).name, "a.w");
  EXPECT_EQ(listing.tensors.at(0).record, "a.w.npy");
  EXPECT_TRUE(listing.tensors.at(0).has_checksum);
  EXPECT_EQ(listing.read(1).to_vector<float>(), std::vector<float>{1});
  EXPECT_EQ(std::string(as_chars(good)).compare(listing.tensors[1].file_offset, 4, "\0\0\x80\x3f"s), 0);

  const auto code_of = [](const Records& records) { return code(std::string(as_chars(zip_of(records)))); };
  EXPECT_EQ(code_of({{"a.npy", one}, {"b.txt", "x"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of({{"a.npy", one}, {"b.npy", "x"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({{"a.npy", one + "x"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of({{"a.npy", one.substr(0, one.size() - 1)}}), ErrorCode::kTruncated);
  EXPECT_EQ(code_of({{"a.npy", ""}}), ErrorCode::kTruncated);
  EXPECT_EQ(code_of({{"a.npy", npy(header_of("'|O'", "False", "(1,)"), "x")}}), ErrorCode::kUnsupported);
  Bytes flipped = good;
  flipped[static_cast<std::size_t>(listing.tensors[1].file_offset)] ^= std::byte{1};
  EXPECT_ERROR(load(flipped), ErrorCode::kChecksum);
  EXPECT_ERROR(describe(flipped).read(1), ErrorCode::kChecksum);
}

TEST(Npz, EveryTypeOfNumpyComesBack) {
  for (const DTypeInfo& info : all_dtypes()) {
    TensorLeaf leaf;
    leaf.array = Array(Storage::allocate(6 * info.itemsize), info.dtype, Geometry::contiguous({2, 3}));
    std::fill_n(leaf.array.mutable_raw(), leaf.array.nbytes(), std::byte{1});
    if (npy::dtype_code(info.dtype).empty()) {
      EXPECT_ERROR(npz_bytes(Value::dict({{"a", leaf}})), ErrorCode::kUnsupported);
      continue;
    }
    const Array back = load(npz_bytes(Value::dict({{"a", leaf}}))).at("a").as_array();
    EXPECT_EQ(back.dtype(), info.dtype);
    EXPECT_TRUE(back.same_bits(leaf.array)) << info.name;
  }
}

TEST(Npz, ViewsNamesAndOtherLeaves) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const Value value = Value::dict(
      {{"a", Value::dict({{"b", base.transpose(0, 1)}, {"B", base.slice(1, {{}, {}, 2})}})}, {"n", 3}});
  MemorySink sink;
  const SaveReport report = save(sink, value, {.format = Format::kNpz});
  EXPECT_THAT(report.warnings, UnorderedElementsAre(HasSubstr("left out n"), HasSubstr("share memory")));
  const Value back = load(sink.bytes());
  EXPECT_EQ(back.at("a.b").as_array().strides(), (Strides{1, 3}));  // as numpy keeps it
  EXPECT_TRUE(back.at("a.b").as_array().same_bits(base.transpose(0, 1)));
  EXPECT_THAT(back.at("a.B").as_array().to_vector<float>(), ElementsAre(0, 2, 3, 5));
  EXPECT_EQ(npz_bytes(back), npz_bytes(back));
  EXPECT_EQ(load(npz_bytes(Value(base))).items().front().first.as_string(), "arr_0");
  EXPECT_ERROR(npz_bytes(Value::dict({{"../a", base}})), ErrorCode::kUnsupported);
  EXPECT_ERROR(npz_bytes(Value::dict({{"a//b", base}})), ErrorCode::kUnsupported);
  EXPECT_ERROR(npz_bytes(Value::dict({{"n", 1}})), ErrorCode::kUnsupported);
  EXPECT_ERROR(npz_bytes(Value::dict({{"a.b", base}, {"a", Value::dict({{"b", base}})}})),
               ErrorCode::kUnsupported);
}

class NpzFile : public TemporaryFolder {};

TEST_F(NpzFile, ExtensionsAndMaps) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  save(path("a.npz"), Value::dict({{"w", base}}));
  save(path("a.npy"), Value(base));
  EXPECT_ERROR(save(path("b.npy"), Value::dict({{"w", base}, {"v", base}})), ErrorCode::kUnsupported);
  LoadOptions map;
  map.map = true;
  EXPECT_TRUE(load(path("a.npz"), map).at("w").as_array().same_bits(base));
  EXPECT_TRUE(load(path("a.npy"), map).as_array().same_bits(base));
  EXPECT_EQ(get("a.npy").substr(0, 6), "\x93NUMPY");
  EXPECT_EQ(get("a.npy").size(), 128u + 24u);
}

}  // namespace
}  // namespace sconce::checkpoint
