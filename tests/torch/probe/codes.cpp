#include <iostream>

#include "probe.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::probe {
namespace {

template <class Call>
std::string_view code_of(Call call) {
  try {
    call();
    return "ok";
  } catch (const Error& error) {
    return error_code_name(error.code());
  }
}

// codes PATH...: a line for each file with the error codes of load() and describe(), "ok" where there is
// none.
int codes(const Arguments& paths) {
  for (const std::string& path : paths) {
    std::cout << code_of([&] { checkpoint::load(path); }) << ' '
              << code_of([&] { checkpoint::describe(path); }) << std::endl;
  }
  return 0;
}

const Command kCodes("codes", codes);

}  // namespace
}  // namespace sconce::probe
