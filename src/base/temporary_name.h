// Names for what is not finished.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "sconce/base/text.h"

namespace sconce {

// Calls make(name) with names in `directory` until it returns 0 or an errno value other than EEXIST (another
// machine or container may write there under our process number), which goes to `number`; returns the name.
template <class Make>
std::string make_temporary(const std::string& directory, int& number, const Make& make) {
  static std::atomic<unsigned> counter{0};
  std::string name;
  do {
    name = cat(directory, "/.sconce-", ::getpid(), "-", counter++, ".tmp");
    number = make(name.c_str()) < 0 ? errno : 0;
  } while (number == EEXIST);
  return name;
}

}  // namespace sconce
