#include "sconce/core/expanded.h"

namespace sconce {

void refuse_expanded(const Array& array, std::uint64_t limit) {
  if (array.nbytes() <= limit || array.nbytes() <= array.storage().size()) return;
  throw Error(ErrorCode::kLimit, "array",
              cat("a tensor of shape ", array.shape(), " repeats ", array.storage().size(), " bytes up to ",
                  array.nbytes(), ", at most ", limit, " are walked over"))
      .with_advice("save it without what it repeats");
}

}  // namespace sconce
