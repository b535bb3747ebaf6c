#include "sconce/core/dtype.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "sconce/core/visit_dtype.h"

namespace sconce {
namespace {

TEST(DType, InversesFindEveryRow) {
  std::set<std::string_view> names;
  for (const DTypeInfo& info : all_dtypes()) {
    EXPECT_EQ(dtype_from_name(info.name), is_in_torch(info.dtype) ? std::optional(info.dtype) : std::nullopt);
    if (!info.alias.empty()) {
      EXPECT_EQ(dtype_from_name(info.alias), info.dtype);
    }
    if (!info.storage.empty()) {
      EXPECT_EQ(dtype_from_storage(info.storage), info.dtype);
    }
    if (!info.safetensors.empty()) {
      EXPECT_EQ(dtype_from_safetensors(info.safetensors), info.dtype);
    }
    names.insert(info.name);
  }
  EXPECT_EQ(names.size(), all_dtypes().size());
}

TEST(DType, UnknownNames) {
  for (const char* name : {"", "float", "Float32", "torch.float32", "float33"}) {
    EXPECT_EQ(dtype_from_name(name),
              std::string_view(name) == "float" ? std::optional(kFloat32) : std::nullopt);
    EXPECT_EQ(dtype_from_storage(name), std::nullopt);
    EXPECT_EQ(dtype_from_safetensors(name), std::nullopt);
  }
}

TEST(DType, ItemsizeFitsTheElementType) {
  for (const DTypeInfo& info : all_dtypes()) {
    const std::size_t size =
        visit_dtype(info.dtype, []<class T>(std::type_identity<T>) { return sizeof(T); });
    EXPECT_EQ(size, itemsize(info.dtype) == 3 ? 1 : itemsize(info.dtype)) << info.name;
    EXPECT_EQ(itemsize(info.dtype) % info.word, 0U) << info.name;
  }
}

TEST(DType, ElementTypesMapBack) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.kind == DTypeKind::kQuantized || info.kind == DTypeKind::kRaw) continue;
    const DType back = visit_dtype(info.dtype, []<class T>(std::type_identity<T>) { return dtype_of<T>; });
    EXPECT_EQ(back, info.dtype) << info.name;
  }
}

TEST(DType, Kinds) {
  EXPECT_TRUE(is_floating(kBFloat16));
  EXPECT_TRUE(is_floating(kFloat8E8M0FNU));
  EXPECT_FALSE(is_floating(kComplex64));
  EXPECT_TRUE(is_complex(kComplex32));
  EXPECT_TRUE(is_complex(kBComplex32));
  EXPECT_TRUE(is_integral(kBool));
  EXPECT_TRUE(is_integral(kUInt64));
  EXPECT_FALSE(is_integral(kBits8));
  EXPECT_TRUE(is_quantized(kQUInt4x2));
}

TEST(DType, PartsOfComplexNumbers) {
  for (const DTypeInfo& info : all_dtypes()) {
    const DType part = component_dtype(info.dtype);
    EXPECT_EQ(part == info.dtype, !is_complex(info.dtype)) << info.name;
    if (!is_complex(info.dtype)) continue;
    EXPECT_EQ(2 * itemsize(part), info.itemsize) << info.name;
    EXPECT_EQ(itemsize(part), info.word) << info.name;
  }
}

TEST(DType, PrintsTorchsName) {
  std::ostringstream out;
  out << kFloat8E4M3FN;
  EXPECT_EQ(out.str(), "torch.float8_e4m3fn");
  out.str("");
  out << kFloat6E2M3FNx4;
  EXPECT_EQ(out.str(), "float6_e2m3fn_x4");
}

}  // namespace
}  // namespace sconce
