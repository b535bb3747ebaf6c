#include "sconce/core/print.h"

#include <gtest/gtest.h>

#include <sstream>

#include "sconce/core/array.h"
#include "support/text_data.h"

namespace sconce {
namespace {

// The formula of "counted" tensors in tests/golden/print/make.py.
Array counted(const Shape& shape, DType dtype) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    const std::int64_t value = ((i * 2654435761) & 0xFFFFFFFF) % 20011 - 10000;
    values.push_back(is_floating(dtype) ? static_cast<double>(value) / 128 : static_cast<double>(value));
  }
  return Array::from(values, shape).cast(dtype);
}

Array array_of_header(const std::vector<std::string>& words) {
  const DType dtype = dtype_from_name(words.at(0)).value();
  const Shape shape = test::shape_from_text(words.at(1));
  if (words.at(4) == "counted") return counted(shape, dtype);
  const std::vector<std::byte> bytes = test::bytes_from_hex(words.at(4));
  Storage storage = Storage::allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), storage.mutable_data());
  return {storage, dtype, Geometry{shape, test::shape_from_text(words.at(2)), std::stoll(words.at(3))}};
}

TEST(Print, MatchesPyTorch) {
  const std::vector<std::string> lines = test::golden_lines("print/cases.txt");
  std::size_t cases = 0;
  for (std::size_t i = 0; i < lines.size(); ++cases) {
    const std::string header = lines[i++];
    std::string expected;
    for (; i < lines.size() && lines[i].starts_with("| "); ++i) {
      if (!expected.empty()) expected += '\n';
      expected += lines[i].substr(2);
    }
    EXPECT_EQ(array_of_header(test::words_of(header)).str(), expected) << header;
  }
  EXPECT_GT(cases, 150U);
}

TEST(Print, QuantizedAndRawElementsShowTheirIntegers) {
  const std::vector<std::byte> bytes{std::byte{1}, std::byte{255}};
  EXPECT_EQ(Array::from_bytes(bytes, kQInt8, {2}).str(), "tensor([ 1, -1], dtype=torch.qint8)");
  EXPECT_EQ(Array::from_bytes(bytes, kBits8, {2}).str(), "tensor([  1, 255], dtype=torch.bits8)");
  EXPECT_EQ(Array::from_bytes(bytes, kFloat4E2M1FNx2, {2}).str(),
            "tensor([  1., 255.], dtype=torch.float4_e2m1fn_x2)");
  const std::vector<std::byte> six{std::byte{1}, std::byte{0}, std::byte{0},
                                   std::byte{1}, std::byte{2}, std::byte{3}};
  EXPECT_EQ(Array::from_bytes(six, kFloat6E3M2FNx4, {2}).str(),
            "tensor([     1, 197121], dtype=float6_e3m2fn_x4)");
}

TEST(Print, ComplexHalfPrintsItsParts) {
  const Array value = Array::from<std::complex<float>>({{1.0F, 0.5F}}, {1}).cast(kComplex32);
  EXPECT_EQ(value.str(), "tensor([1.+0.5000j], dtype=torch.complex32)");
  EXPECT_EQ(value.cast(kBComplex32).str(), "tensor([1.+0.5000j], dtype=torch.bcomplex32)");
}

TEST(Print, SuffixesFollowTheDtypeAndWrap) {
  const std::string suffix[] = {"requires_grad=True"};
  EXPECT_EQ(repr(Array::ones({2}), suffix), "tensor([1., 1.], requires_grad=True)");
  EXPECT_EQ(repr(Array::ones({2}, kFloat64), suffix),
            "tensor([1., 1.], dtype=torch.float64, requires_grad=True)");
  EXPECT_EQ(repr(Array::ones({18}), suffix),
            "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
            "       requires_grad=True)");
}

TEST(Print, UndefinedArrayIsNone) { EXPECT_EQ(Array().str(), "None"); }

TEST(Print, ElementsAlone) {
  EXPECT_EQ(elements_repr(Array::from<float>({1, 2, 3, 4}, {2, 2})), "[[1., 2.],\n [3., 4.]]");
  EXPECT_EQ(elements_repr(Array::from<std::int64_t>({1, 2}, {2, 1}), {}, 2), "[[1],\n   [2]]");
  EXPECT_EQ(elements_repr(Array::zeros({0, 3})), "[]");
  EXPECT_EQ(elements_repr({}), "None");
}

TEST(Print, StreamsLikeStr) {
  std::ostringstream out;
  out << Array::from<std::int64_t>({4, 5}, {2});
  EXPECT_EQ(out.str(), "tensor([4, 5])");
}

}  // namespace
}  // namespace sconce
