// Salvage of safetensors: the header says where each tensor lies, and nothing in the file confirms any byte.
#include <algorithm>

#include "checkpoint/safetensors_header.h"
#include "checkpoint/safetensors_read.h"
#include "checkpoint/salvagers.h"

namespace sconce::checkpoint {
namespace {

using safetensors::Entry;
using safetensors::Header;

bool is_present(const Entry& entry, const Header& header, const ByteSource& source) {
  return entry.end <= source.size() - header.data_offset;
}

}  // namespace

Salvage salvage_safetensors(const Source& source, const LoadOptions& options) {
  Header header = safetensors::read_header_alone(*source.bytes, options.safetensors_header);
  const auto all_aliases = safetensors::take_aliases(header);
  const std::uint64_t present = source.bytes->size() - header.data_offset;
  const std::uint64_t needed = header.entries.empty() ? 0 : header.entries.back().end;
  Salvage out;
  out.format = Format::kSafetensors;
  out.file_size = source.bytes->size();
  out.notes.emplace_back("safetensors has no checksums: whether the bytes are right cannot be told");
  if (present > needed) out.notes.push_back(cat(present - needed, " bytes follow the last tensor"));
  std::vector<Entry> whole;
  for (const Entry& entry : header.entries) {
    if (is_present(entry, header, *source.bytes)) {
      whole.push_back(entry);
      out.recovered.push_back({entry.name, false});
    } else {
      out.lost.push_back({entry.name, cat("the file ends at byte ", out.file_size, ", it reaches to byte ",
                                          header.data_offset + entry.end)});
    }
  }
  std::vector<safetensors::Alias> aliases;
  for (const safetensors::Alias& alias : all_aliases) {
    const auto kept = std::find_if(whole.begin(), whole.end(),
                                   [&](const Entry& entry) { return entry.name == alias.kept; });
    if (kept == whole.end()) {
      out.lost.push_back({alias.name, cat("it is '", escaped(alias.kept), "', which is lost")});
    } else {
      aliases.push_back(alias);
      out.recovered.push_back({alias.name, false});
    }
  }
  out.value = safetensors::read_tensors(source, header, whole, aliases, options);
  return out;
}

bool can_salvage_safetensors(const Source& source, const LoadOptions& options) {
  const Header header = safetensors::read_header_alone(*source.bytes, options.safetensors_header);
  return std::any_of(header.entries.begin(), header.entries.end(), [&](const Entry& entry) {
    return entry.begin < entry.end && is_present(entry, header, *source.bytes);
  });
}

}  // namespace sconce::checkpoint
