#include "common/size_option.h"

#include <algorithm>
#include <limits>

#include "sconce/base/error.h"

namespace sconce::cli {
namespace {

struct Unit {
  std::string_view name;  // in lower case
  std::uint64_t bytes;
};

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kKibi = 1024;
constexpr Unit kUnits[] = {
    {"", 1},
    {"b", 1},
    {"kb", kKilo},
    {"mb", kKilo* kKilo},
    {"gb", kKilo* kKilo* kKilo},
    {"tb", kKilo* kKilo* kKilo* kKilo},
    {"kib", kKibi},
    {"mib", kKibi* kKibi},
    {"gib", kKibi* kKibi* kKibi},
    {"tib", kKibi* kKibi* kKibi* kKibi},
    {"k", kKibi},
    {"m", kKibi* kKibi},
    {"g", kKibi* kKibi* kKibi},
    {"t", kKibi* kKibi* kKibi* kKibi},
};

constexpr std::size_t kMostDigits = 19;

[[noreturn]] void refuse(std::string_view text) {
  fail(ErrorCode::kInvalidArgument, "", "'", escaped(text), "' is not a size such as 2GB, 500MB or 1GiB");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::uint64_t parse_size(std::string_view text) {
  // The digits before and behind the point are one number over a power of ten: nothing is rounded but the
  // end.
  __extension__ using Wide = unsigned __int128;
  Wide number = 0;
  Wide divisor = 1;
  std::size_t digits = 0;
  bool behind_point = false;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !behind_point)); ++at) {
    if (text[at] == '.') {
      behind_point = true;
      continue;
    }
    if (++digits > kMostDigits) refuse(text);
    number = number * 10 + static_cast<unsigned>(text[at] - '0');
    if (behind_point) divisor *= 10;
  }
  if (digits == 0) refuse(text);
  while (at < text.size() && text[at] == ' ') ++at;
  std::string unit(text.substr(at));
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const Unit* known =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& each) { return each.name == unit; });
  if (known == std::end(kUnits) || (behind_point && known->bytes == 1)) refuse(text);
  const Wide bytes = number * known->bytes / divisor;  // below 2^64 * 2^40
  if (bytes == 0 || bytes > static_cast<Wide>(std::numeric_limits<std::int64_t>::max())) refuse(text);
  return static_cast<std::uint64_t>(bytes);
}

CLI::Option* add_size_option(CLI::App& app, const std::string& names, std::uint64_t& target,
                             const std::string& help) {
  return app
      .add_option_function<std::string>(
          names,
          [&target](const std::string& text) {
            try {
              target = parse_size(text);
            } catch (const Error& error) {
              throw CLI::ValidationError(error.text());
            }
          },
          help)
      ->type_name("SIZE");
}

}  // namespace sconce::cli
