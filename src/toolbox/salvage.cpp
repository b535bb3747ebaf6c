#include "sconce/toolbox/salvage.h"

#include "sconce/toolbox/save_of.h"

namespace sconce::toolbox {

std::vector<std::string> SalvageReport::unchecked() const {
  std::vector<std::string> out;
  for (const checkpoint::SalvagedTensor& tensor : salvage.recovered) {
    if (!tensor.is_checked) out.push_back(tensor.name);
  }
  return out;
}

SalvageReport salvage(const std::string& input, const std::string& output,
                      const checkpoint::SaveOptions& options, const checkpoint::LoadOptions& load) {
  SalvageReport out;
  out.salvage = checkpoint::salvage(input, load);
  if (out.salvage.recovered.empty() && !out.salvage.lost.empty()) return out;
  out.warnings = save_of(input, output, out.salvage.value, options).warnings;
  out.is_written = true;
  return out;
}

}  // namespace sconce::toolbox
