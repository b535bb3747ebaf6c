#include "sconce/toolbox/map_file.h"

#include <map>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/codec/json.h"

namespace sconce::toolbox {
namespace {

using json::Json;

[[noreturn]] void refuse(const Json& at, std::string_view text) {
  throw Error(ErrorCode::kCorrupt, "map", text).at_offset(at.offset());
}

MapEntry parse_entry(const std::string& target, const Json& value) {
  MapEntry out;
  out.target = target;
  if (value.is_string()) {
    out.source = value.as_string();
    return out;
  }
  bool fills = false;
  for (const auto& [key, part] : value.as_object()) {
    if (key == "source") {
      out.source = part.as_string();
    } else if (key == "transpose") {
      out.transpose = part.as_bool();
    } else if (key == "fill") {
      if (!part.is_integer() || part.as_int() != 0) part.unexpected("0, the only number to fill with");
      fills = true;
    } else {
      refuse(part, cat("expected source, transpose or fill, found '", escaped(key), "'"));
    }
  }
  if (fills == out.source.has_value()) refuse(value, "expected either a source or a fill");
  return out;
}

}  // namespace

std::vector<MapEntry> parse_map(std::string_view text) {
  const Json file = json::parse(text);
  if (const Json& version = file.at("sconce_map"); !version.is_integer() || version.as_int() != 1)
    version.unexpected("1, the version of the format");
  for (const auto& [key, part] : file.as_object()) {
    if (key != "sconce_map" && key != "map" && key != "candidates")
      refuse(part, cat("expected sconce_map, map or candidates, found '", escaped(key), "'"));
  }
  std::vector<MapEntry> out;
  for (const auto& [target, value] : file.at("map").as_object()) {
    if (!value.is_null()) out.push_back(parse_entry(target, value));
  }
  return out;
}

std::string map_text(const KeyMatching& matching, const std::vector<KeyInfo>& targets,
                     const std::vector<KeyInfo>& sources) {
  std::map<std::size_t, Json> entries;  // by target, so that they stand in the model's order
  for (const KeyMatch& match : matching.matches) {
    if (!match.source) {
      entries[match.target] = json::Object{{"fill", 0}};
    } else if (match.transpose) {
      entries[match.target] = json::Object{{"source", sources[*match.source].name}, {"transpose", true}};
    } else {
      entries[match.target] = sources[*match.source].name;
    }
  }
  json::Object candidates;
  for (const UnmatchedKey& unmatched : matching.unmatched) {
    entries[unmatched.target] = nullptr;
    json::Array names;
    for (const std::size_t source : unmatched.candidates) names.emplace_back(sources[source].name);
    if (!names.empty()) candidates.emplace_back(targets[unmatched.target].name, std::move(names));
  }
  json::Object map;
  for (auto& [target, entry] : entries) map.emplace_back(targets[target].name, std::move(entry));
  json::Object file{{"sconce_map", 1}, {"map", std::move(map)}};
  if (!candidates.empty()) file.emplace_back("candidates", std::move(candidates));
  return json::write(file, {.indent = 2}) + "\n";
}

}  // namespace sconce::toolbox
