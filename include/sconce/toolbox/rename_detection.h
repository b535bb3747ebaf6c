// Tensors that changed their name and nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sconce::toolbox {

// A tensor that one side names and the other does not.
struct RenameCandidate {
  std::string name;
  std::string content;  // equal texts mean equal content: dtype, shape and digest, say
};

struct TensorRename {
  std::size_t a = 0;  // index among the candidates of A
  std::size_t b = 0;
  bool by_content = true;  // false: several had this content, and the names decided
};

// Equal content under several names on at least one side, and names that do not tell which is which.
struct AmbiguousRename {
  std::vector<std::size_t> a;
  std::vector<std::size_t> b;
};

struct Renames {
  std::vector<TensorRename> renames;  // in the order of A
  std::vector<AmbiguousRename> ambiguous;
};

// Pairs candidates of equal content. Where several have it (zero biases, scales of one), a pair is taken when
// a renaming that unique content has shown leads from one name to the other ("fc" became "head": fc.bias is
// head.bias), then when each of the two names is the other's nearest and no other is as near.
Renames find_renames(const std::vector<RenameCandidate>& a, const std::vector<RenameCandidate>& b);

}  // namespace sconce::toolbox
