#include "checkpoint/safetensors_alias.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "sconce/base/error.h"
#include "sconce/codec/json.h"

namespace sconce::checkpoint::safetensors {
namespace {

constexpr std::string_view kKey = "sconce.aliases";
constexpr std::string_view kFormatKey = "format";

using Names = std::unordered_set<std::string_view>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

std::string_view last_component(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::vector<Alias> stated_aliases(const std::string& text, const Names& tensors) {
  std::vector<Alias> out;
  try {
    const json::Json root = json::parse(text, {.depth = 2});
    for (const auto& [name, kept] : root.as_object()) out.push_back({name, kept.as_string()});
  } catch (const Error& error) {
    fail(ErrorCode::kCorrupt, "safetensors", "the metadata '", kKey, "': ", error.text());
  }
  for (const Alias& alias : out) {
    require(tensors.contains(alias.kept) && !tensors.contains(alias.name) && alias.name != "__metadata__",
            ErrorCode::kCorrupt, "safetensors", "the metadata '", kKey, "' calls '", escaped(alias.name),
            "' another name of '", escaped(alias.kept), "', which does not fit the tensors of the file");
  }
  return out;
}

std::vector<Alias> found_aliases(const Metadata& metadata, const Names& tensors) {
  std::vector<Alias> out;
  std::size_t others = 0;
  for (const auto& [key, text] : metadata) {
    if (key == kFormatKey) continue;
    if (tensors.contains(text) && !tensors.contains(key)) {
      out.push_back({key, text});
    } else {
      ++others;
    }
  }
  if (others > 0) {
    std::erase_if(
        out, [](const Alias& alias) { return last_component(alias.name) != last_component(alias.kept); });
  }
  return out;
}

}  // namespace

std::vector<Alias> take_aliases(Header& header) {
  Names tensors;
  for (const Entry& entry : header.entries) tensors.insert(entry.name);
  const auto stated = std::find_if(header.metadata.begin(), header.metadata.end(),
                                   [](const auto& entry) { return entry.first == kKey; });
  std::vector<Alias> aliases = stated != header.metadata.end() ? stated_aliases(stated->second, tensors)
                                                               : found_aliases(header.metadata, tensors);
  std::unordered_map<std::string_view, std::string_view> kept_of;
  for (const Alias& alias : aliases) kept_of.emplace(alias.name, alias.kept);
  std::erase_if(header.metadata, [&](const auto& entry) {
    const auto found = kept_of.find(entry.first);
    return entry.first == kKey || (found != kept_of.end() && found->second == entry.second);
  });
  return aliases;
}

void put_aliases(const std::vector<Alias>& aliases, Metadata& metadata) {
  std::erase_if(metadata, [](const auto& entry) { return entry.first == kKey; });
  if (aliases.empty()) return;
  Names used;
  for (const auto& [key, text] : metadata) used.insert(key);
  json::Object stated;
  Metadata added;
  for (const Alias& alias : aliases) {
    stated.emplace_back(alias.name, alias.kept);
    if (!used.contains(alias.name)) added.emplace_back(alias.name, alias.kept);
  }
  metadata.emplace_back(kKey, json::write(json::Json(std::move(stated))));
  metadata.insert(metadata.end(), added.begin(), added.end());
}

}  // namespace sconce::checkpoint::safetensors
