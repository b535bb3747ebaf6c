// How long do loading and saving take, each the first of its process?    bench_files WHAT SOURCE [OUTPUT]
// load, map, save, save-durable; prints one JSON line. "save" saves what it has loaded from SOURCE before.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

using namespace sconce;

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const std::string what = argc > 1 ? argv[1] : "";
  const bool saves = what == "save" || what == "save-durable";
  if (argc != (saves ? 4 : 3) || (!saves && what != "load" && what != "map")) {
    std::fprintf(stderr, "usage: bench_files load|map SOURCE, bench_files save|save-durable SOURCE OUTPUT\n");
    return 2;
  }
  try {
    auto begin = Clock::now();
    const Value value = checkpoint::load(argv[2], {.map = what == "map"});
    if (saves) {
      begin = Clock::now();
      checkpoint::save(argv[3], value, {.durable = what == "save-durable"});
    }
    const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("{\"us\": %.1f, \"peak_kib\": %ld}\n", time.count(), usage.ru_maxrss);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
