// The zip container of torch.save: which record is what (formats.md A).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/source.h"
#include "checkpoint/stored_tensor.h"
#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::checkpoint {

class TorchArchive {
 public:
  // Checks the container: one top folder, data.pkl, version, byteorder. Errors: NoCheckpoint names other zip
  // archives (old TorchScript, torch.package, ...); kUnsupported, kCorrupt; those of zip::Reader.
  TorchArchive(Source source, const LoadOptions& options);

  // True for what torch.jit.save wrote: there are constants.pkl and code, too.
  bool is_script() const { return is_script_; }
  // A pickle that is there (data.pkl, constants.pkl), parsed.
  pickle::Graph parse_pickle(std::string_view record = "data.pkl") const;
  // Calls read(), whose Errors about what the pickle says then name its record.
  template <class Read>
  auto in_pickle(std::string_view record, Read read) const {
    try {
      return read();
    } catch (const Error& error) {
      // Those of the container and of the file name their own place.
      if (error.where() == "zip" || !error.path().empty() || error.code() == ErrorCode::kInterrupted) throw;
      throw error.in_record(pickle_record(record), OffsetIn::kRecord);
    }
  }
  // The name of its record.
  std::string pickle_record(std::string_view record = "data.pkl") const { return cat(top_, record); }
  // The text of a source file, nullopt where there is none.
  std::optional<std::string> read_code(std::string_view record) const;
  // True for the record of a storage, in "data" or "constants".
  bool is_storage(const zip::Entry& entry) const;
  // The record of a storage, in "data" or "constants"; Error kNotFound.
  const zip::Entry& storage_entry(std::string_view folder, std::string_view key) const;
  // Its bytes, checked, in the machine's order of bytes for elements of `word` bytes.
  void read_storage(const zip::Entry& entry, std::span<std::byte> out, std::size_t word) const;
  // The same in pieces of at most 1 MiB; a wrong checksum is an Error after the last one.
  void stream_storage(const zip::Entry& entry, const zip::Reader::Chunk& piece, std::size_t word) const;
  // The record in the mapped file, where that is possible.
  std::optional<Storage> map_storage(const zip::Entry& entry, std::size_t word) const;

  // Of the file, for messages; empty for one in memory.
  const std::string& path() const { return source_.path; }
  const zip::Reader& reader() const { return reader_; }
  bool needs_swap() const { return needs_swap_; }

 private:
  const zip::Entry* find(std::string_view record) const;
  std::string read_small(const zip::Entry& entry) const;
  std::vector<std::byte> read_whole(const zip::Entry& entry) const;
  zip::Check check() const { return options_.check_crc ? zip::Check::kCrc : zip::Check::kNone; }
  void read_top_folder();
  void check_script();
  // What an archive without data.pkl is: a damaged one, or none of torch.save.
  [[noreturn]] void refuse_without_pickle() const;
  void check_version() const;
  void read_byte_order();

  Source source_;
  LoadOptions options_;
  zip::Reader reader_;
  std::string top_;  // with the final '/'
  bool needs_swap_ = false;
  bool is_script_ = false;
};

}  // namespace sconce::checkpoint
