#include "common/limit_option.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "common/size_option.h"
#include "sconce/base/error.h"

namespace sconce::cli {
namespace {

using checkpoint::LoadOptions;

struct Limit {
  std::string_view name;
  void (*set)(LoadOptions& options, std::uint64_t value);
};

constexpr Limit kLimits[] = {
    {"inflated", [](LoadOptions& options, std::uint64_t value) { options.inflated_bytes = value; }},
    // Each opcode is a byte at least, and makes one entry of the memo at most.
    {"pickle",
     [](LoadOptions& options, std::uint64_t value) {
       options.pickle_bytes = options.pickle.opcodes = options.pickle.memo_entries = value;
     }},
    {"memory", [](LoadOptions& options, std::uint64_t value) { options.pickle.memory = value; }},
    {"ratio", [](LoadOptions& options, std::uint64_t value) { options.pickle_ratio = value; }},
    {"records", [](LoadOptions& options, std::uint64_t value) { options.zip_entries = value; }},
    {"resolved", [](LoadOptions& options, std::uint64_t value) { options.resolved_bytes = value; }},
    {"names", [](LoadOptions& options, std::uint64_t value) { options.walk.name_bytes = value; }},
    {"values", [](LoadOptions& options, std::uint64_t value) { options.walk.visits = value; }},
    {"header",
     [](LoadOptions& options, std::uint64_t value) {
       options.safetensors_header = value;
       options.index_bytes = value;
     }},
};

std::string names() {
  std::string out;
  for (const Limit& limit : kLimits) out += cat(out.empty() ? "" : ", ", limit.name);
  return out;
}

void set_limit(LoadOptions& options, const std::string& text) {
  const std::size_t sign = text.find('=');
  const auto known = std::find_if(std::begin(kLimits), std::end(kLimits), [&](const Limit& limit) {
    return sign != std::string::npos && limit.name == std::string_view(text).substr(0, sign);
  });
  try {
    require(known != std::end(kLimits), ErrorCode::kInvalidArgument, "", "no such limit");
    known->set(options, parse_size(std::string_view(text).substr(sign + 1)));
  } catch (const Error&) {
    throw CLI::ValidationError(
        cat(kLimitOption, ": '", escaped(text),
            "' is not NAME=VALUE with a VALUE such as 1000000, 500M or 8GiB and one of "
            "the names ",
            names()));
  }
}

}  // namespace

CLI::Option* add_limit_option(CLI::App& app, LoadOptions& options) {
  return app
      .add_option_function<std::vector<std::string>>(
          kLimitOption,
          [&options](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) set_limit(options, text);
          },
          cat("What reading may cost, as inflated=8GiB: ", names(), "; repeatable"))
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace sconce::cli
