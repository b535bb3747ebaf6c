#include "sconce/toolbox/digest.h"

#include <gtest/gtest.h>

namespace sconce::toolbox {
namespace {

// sha256sum of the bytes 00 00 80 3f 00 00 00 40 (1.0f, 2.0f).
TEST(TensorDigest, IsOfRowMajorBytes) {
  EXPECT_EQ(tensor_digest(Array::from<float>({1, 2}, {2})),
            "b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37");
  const Array square = Array::from<float>({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(tensor_digest(square.transpose(0, 1)), tensor_digest(Array::from<float>({1, 3, 2, 4}, {4})));
  EXPECT_EQ(tensor_digest(Array::zeros({0})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace sconce::toolbox
