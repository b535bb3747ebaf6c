#include "sconce/core/expanded.h"

namespace sconce {

void refuse_expanded(const Array& array, std::uint64_t limit) {
  require(array.nbytes() <= limit || array.nbytes() <= array.storage().size(), ErrorCode::kLimit, "array",
          "a tensor of shape ", array.shape(), " repeats ", array.storage().size(), " bytes up to ",
          array.nbytes(), ", at most ", limit, " are walked over");
}

}  // namespace sconce
