#include "sconce/toolbox/verify.h"

#include <algorithm>

#include "sconce/toolbox/stats.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Integrity;

// The worst of all records; without any, nothing was checked.
Integrity overall(const std::vector<checkpoint::RecordFacts>& records) {
  if (records.empty()) return Integrity::kUnchecked;
  return std::max_element(records.begin(), records.end(),
                          [](const auto& a, const auto& b) { return a.integrity < b.integrity; })
      ->integrity;
}

void look_for_non_finite(VerifyReport& report) {
  const checkpoint::Listing& listing = *report.examination.listing;
  for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
    const checkpoint::TensorInfo& info = listing.tensors[i];
    if (!is_floating(info.dtype) && !is_complex(info.dtype)) continue;
    try {
      const TensorStats stats = tensor_stats(listing.read(i));
      if (stats.nan != 0 || stats.infinite != 0)
        report.non_finite.push_back({info.name, stats.nan, stats.infinite});
    } catch (const Error& error) {
      report.examination.problems.push_back({error.code(), error.text(), info.name, error.offset(), {}});
      report.finite_was_checked = false;
    }
  }
}

}  // namespace

VerifyReport verify(const std::string& path, const VerifyOptions& options) {
  VerifyReport report;
  report.path = path;
  report.examination = checkpoint::examine(path, options.load);
  report.integrity = overall(report.examination.records);
  for (const checkpoint::PickleFacts& pickle : report.examination.pickles) {
    for (const checkpoint::GlobalUse& global : pickle.globals) {
      if (global.trust == checkpoint::Trust::kUnknown) report.unsafe.push_back({pickle.record, global});
    }
  }
  if (options.finite && report.examination.listing) {
    report.finite_was_checked = true;
    look_for_non_finite(report);
  }
  return report;
}

}  // namespace sconce::toolbox
