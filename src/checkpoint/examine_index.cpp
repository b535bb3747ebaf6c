// Looking for what is wrong with a checkpoint in several files, each by itself.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "checkpoint/examiners.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/index_file.h"
#include "checkpoint/listing_join.h"
#include "checkpoint/no_checkpoint.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint {

void add_part(Examination part, const std::string& name, Examination& out) {
  for (RecordFacts& record : part.records) {
    record.name = record_of_part(name, record.name);
    out.records.push_back(std::move(record));
  }
  for (PickleFacts& pickle : part.pickles) {
    pickle.record = record_of_part(name, pickle.record);
    out.pickles.push_back(std::move(pickle));
  }
  for (Problem& problem : part.problems) {
    problem.record = record_of_part(name, problem.record);
    out.problems.push_back(std::move(problem));
  }
  for (const std::string& note : part.notes) out.notes.push_back(cat(escaped(name), ": ", note));
}

void examine_part(const std::string& name, const std::function<Examination()>& look, Examination& out) {
  try {
    Examination part = look();
    // Whatever does not even say what its records are.
    if (part.records.empty() && !part.problems.empty()) {
      part.records.push_back({"", 0, part.file_size, Integrity::kDamaged});
    }
    add_part(std::move(part), name, out);
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    out.records.push_back({name, 0, 0, Integrity::kDamaged});
    out.problems.push_back(problem_of(error, name));
  }
}

void examine_index(const Source& source, const LoadOptions& options, Examination& out) {
  Index index;
  try {
    index = read_index(source, options);
  } catch (const NoCheckpoint&) {
    throw;
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    out.problems.push_back(problem_of(error));
    return;
  }
  const std::string folder = folder_of(source.path);
  // As the reader has it: what the first file is. When that cannot be told, its name must do.
  const auto is_named = [](const std::string& name) { return name.ends_with(".safetensors"); };
  std::optional<Format> first;
  for (const std::string& name : index.shards) {
    examine_part(
        name,
        [&] {
          const std::string path = (std::filesystem::path(folder) / name).string();
          Examination part = examine_opened([&] { return open_shard(folder, name, false); }, path, options);
          out.file_size = checked_add(out.file_size, part.file_size, "index");
          if (!first) first = part.format;
          return part;
        },
        out);
  }
  const bool is_torch = first ? *first != Format::kSafetensors
                              : std::none_of(index.shards.begin(), index.shards.end(), is_named);
  if (is_torch) out.format = Format::kTorchIndex;
}

}  // namespace sconce::checkpoint
