// sconce_probe resave IN OUT [map] [keep-objects] [keep-device] [no-aliases] [recover] [format=NAME]
// [shard-size=BYTES]: loads IN, puts state_dicts in the place of modules when asked, saves it as OUT and
// prints what was noted.
#include <algorithm>
#include <iostream>
#include <stdexcept>

#include "probe.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/checkpoint/save.h"

namespace sconce::probe {
namespace {

checkpoint::Format format_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(checkpoint::Format::kNpz); ++i) {
    const auto format = static_cast<checkpoint::Format>(i);
    if (checkpoint::format_name(format) == name) return format;
  }
  throw std::invalid_argument("no format " + name);
}

int resave(const Arguments& arguments) {
  const auto has = [&](const char* word) {
    return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
  };
  checkpoint::LoadOptions load_options;
  load_options.map = has("map");
  checkpoint::SaveOptions save_options;
  save_options.durable = false;
  save_options.keep_objects = has("keep-objects");
  save_options.keep_device = has("keep-device");
  save_options.merge_aliases = !has("no-aliases");
  for (const std::string& argument : arguments) {
    if (argument.starts_with("format=")) save_options.format = format_of(argument.substr(7));
    if (argument.starts_with("shard-size=")) save_options.shard_size = std::stoull(argument.substr(11));
  }
  Value value = checkpoint::load(arguments.at(0), load_options);
  if (has("recover")) {
    const auto recovery = checkpoint::recover_modules(value);
    for (const std::string& note : recovery.notes) std::cout << note << '\n';
    value = recovery.value;
  }
  const auto report = checkpoint::save(arguments.at(1), value, save_options);
  for (const std::string& warning : report.warnings) std::cout << warning << '\n';
  return 0;
}

const Command kResave("resave", resave);

}  // namespace
}  // namespace sconce::probe
