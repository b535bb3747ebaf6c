#include "sconce/toolbox/code_warnings.h"

#include <cstddef>
#include <set>

#include "sconce/base/text.h"

namespace sconce::toolbox {

std::vector<std::string> code_warnings(const std::vector<checkpoint::PickleFacts>& pickles) {
  constexpr std::size_t kMostLines = 10;
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const checkpoint::PickleFacts& pickle : pickles) {
    for (const checkpoint::GlobalUse& global : pickle.globals) {
      const std::string name = cat(global.module, ".", global.name);
      if (global.trust != checkpoint::Trust::kUnknown || !seen.insert(name).second) continue;
      if (seen.size() > kMostLines) continue;
      out.push_back(cat("it names ", escaped(name), " (", global.why,
                        "): loading it in Python could run code; here it stays inert"));
    }
  }
  if (seen.size() > kMostLines) {
    out.push_back(
        cat("it names ", seen.size() - kMostLines, " more that could run code ('sconce verify' lists them)"));
  }
  return out;
}

}  // namespace sconce::toolbox
