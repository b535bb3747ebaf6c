#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>

#include "checkpoint/examiners.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/weights_only.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/parallel.h"
#include "sconce/codec/crc32.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::checkpoint {
namespace {

using zip::Entry;

constexpr std::uint64_t kPiece = std::uint64_t{8} << 20;  // one thread's task
constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;  // what it holds of it in memory
constexpr std::uint64_t kSmallRecord = 4096;

// Part of a stored record, or the whole of a deflated one.
struct Piece {
  std::size_t record = 0;
  std::uint64_t begin = 0;  // in the record
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::optional<Error> error = {};
};

// What Python's int() takes, spaces around it included.
bool is_number(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\r\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

class ZipExamination {
 public:
  ZipExamination(const zip::Reader& reader, const LoadOptions& options, Examination& out)
      : reader_(reader), options_(options), out_(out), heads_(reader.entries().size()) {}

  void run() {
    check_records();
    find_top_folder();
    read_pickles();
    predict();
  }

 private:
  std::span<const Entry> entries() const { return reader_.entries(); }
  const Entry* find(std::string_view name) const { return reader_.find(cat(top_, name)); }

  // ---- bytes and checksums

  void check_records() {
    std::vector<Piece> pieces;
    out_.records.reserve(entries().size());
    for (std::size_t i = 0; i < entries().size(); ++i) plan(i, pieces);
    std::atomic<std::size_t> next = 0;
    // Items of a distributed checkpoint are many small archives, where waking threads would be most of the
    // work.
    std::uint64_t bytes = 0;
    for (const Piece& piece : pieces) bytes += piece.size;
    parallel_for(bytes > kChunk ? num_threads() : 1, 1, [&](std::int64_t, std::int64_t) {
      for (std::size_t i = next++; i < pieces.size(); i = next++) read(pieces[i]);
    });
    judge(pieces);
  }

  void plan(std::size_t i, std::vector<Piece>& pieces) {
    const Entry& entry = entries()[i];
    RecordFacts facts{entry.name, 0, entry.size, Integrity::kChecked};
    try {
      facts.offset = reader_.payload_offset(entry);
      reader_.check_descriptor(entry);
    } catch (const Error& error) {
      facts.integrity = Integrity::kDamaged;
      out_.problems.push_back(problem_of(error, entry.name));
    }
    if (facts.offset != 0) {
      const std::uint64_t step = entry.method == zip::Method::kStored ? kPiece : entry.size;
      for (std::uint64_t at = 0; at < entry.size; at += step) {
        pieces.push_back({i, at, std::min(step, entry.size - at)});
      }
    }
    out_.records.push_back(std::move(facts));
  }

  void read(Piece& piece) {
    const Entry& entry = entries()[piece.record];
    const auto take = [&](std::span<const std::byte> bytes, std::uint64_t at) {
      if (at == 0) keep_head(piece.record, bytes);
      piece.crc = crc32(bytes, piece.crc);
    };
    try {
      if (entry.method == zip::Method::kDeflated) {
        std::uint64_t at = 0;
        reader_.read_chunks(
            entry,
            [&](std::span<const std::byte> bytes) {
              take(bytes, at);
              at += bytes.size();
            },
            zip::Check::kNone);
        return;
      }
      std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(kChunk, piece.size)));
      for (std::uint64_t done = 0; done < piece.size;) {
        const auto n = static_cast<std::size_t>(std::min(kChunk, piece.size - done));
        const std::span<std::byte> chunk = std::span(buffer).first(n);
        reader_.source().read_at(chunk, out_.records[piece.record].offset + piece.begin + done);
        take(chunk, piece.begin + done);
        done += n;
      }
    } catch (const Error& error) {
      piece.error = error;
    }
  }

  void keep_head(std::size_t record, std::span<const std::byte> bytes) {
    auto& head = heads_[record];
    std::copy_n(bytes.begin(), std::min(bytes.size(), head.size()), head.begin());
  }

  void judge(const std::vector<Piece>& pieces) {
    std::vector<std::uint32_t> crcs(entries().size(), 0);
    for (const Piece& piece : pieces) {
      crcs[piece.record] = crc32_combine(crcs[piece.record], piece.crc, piece.size);
      if (!piece.error || out_.records[piece.record].integrity == Integrity::kDamaged) continue;
      out_.records[piece.record].integrity = Integrity::kDamaged;
      out_.problems.push_back(problem_of(*piece.error, entries()[piece.record].name));
    }
    std::size_t unchecked = 0;
    for (std::size_t i = 0; i < entries().size(); ++i) {
      const Entry& entry = entries()[i];
      RecordFacts& facts = out_.records[i];
      if (facts.integrity == Integrity::kDamaged) continue;
      if (!entry.crc_recorded()) {
        facts.integrity = Integrity::kUnchecked;
        ++unchecked;
      } else if (crcs[i] != entry.crc) {
        facts.integrity = Integrity::kDamaged;
        out_.problems.push_back(problem_of(
            Error(ErrorCode::kChecksum, "zip", "its bytes do not match their CRC-32"), entry.name));
      }
    }
  }

  // ---- pickles

  void find_top_folder() {
    if (entries().empty()) return;
    const std::string_view first = entries().front().name;
    const std::size_t slash = first.find('/');
    if (slash != std::string_view::npos) top_ = first.substr(0, slash + 1);
  }

  LoadOptions options_for(const Entry& entry) const {
    LoadOptions options = options_;
    if (entry.method == zip::Method::kDeflated) {
      options.pickle = pickle_limits(options_, entry.size, entry.compressed_size);
    }
    return options;
  }

  // The bytes of a record's pickle, and the pickle.
  WindowedPickle parse(const Entry& entry) const {
    return parse_in_window(*reader_.open(entry), 0, entry.size, options_for(entry), 0);
  }

  void read_pickles() {
    const Entry* main = find("data.pkl");
    if (main != nullptr) read_main(*main);
    for (std::size_t i = 0; i < entries().size(); ++i) {
      const Entry& entry = entries()[i];
      if (out_.format == Format::kNpz) read_array(entry);
      const bool is_named = entry.name.ends_with(".pkl");
      if (&entry == main || (!is_named && !looks_like_pickle(heads_[i]))) continue;
      try {
        PickleFacts facts = pickle_facts(entry.name, parse(entry).parsed);
        // Tensors may begin like a pickle by chance; they do not name globals.
        if (is_named || !facts.globals.empty()) out_.pickles.push_back(std::move(facts));
      } catch (const Error& error) {
        if (is_named) out_.problems.push_back(problem_of(error, entry.name));
      }
    }
  }

  void read_array(const Entry& entry) {
    try {
      add_object_pickle(*reader_.open(entry), entry.name, options_for(entry), out_);
    } catch (const Error& error) {
      if (is_trouble(error)) throw;  // of what cannot be read check_records() has said so
    }
  }

  void read_main(const Entry& entry) {
    std::optional<WindowedPickle> main;
    try {
      main = parse(entry);
    } catch (const Error& error) {
      out_.problems.push_back(problem_of(error, entry.name));
      return;
    }
    out_.pickles.push_back(pickle_facts(entry.name, main->parsed));
    main_ = std::move(main->window);
    if (main->parsed.error) {
      out_.problems.push_back(problem_of(*main->parsed.error, entry.name));
      return;
    }
    const std::uint64_t end = main->parsed.end;
    const std::uint64_t behind = entry.size - end;
    if (behind == 0) return;
    Problem problem{
        ErrorCode::kCorrupt,
        cat("[torch] ", behind, " bytes follow the end of the pickle, which PyTorch does not read"),
        entry.name,
        end,
        {}};
    out_.problems.push_back(std::move(problem));
    if (entry.method != zip::Method::kStored) return;
    PickleFacts hidden = pickle_facts(
        entry.name,
        parse_in_window(reader_.source(), reader_.payload_offset(entry) + end, behind, options_, end).parsed);
    if (!hidden.globals.empty()) out_.pickles.push_back(std::move(hidden));
  }

  // ---- weights_only

  std::optional<std::string> small_record(std::string_view name) const {
    const Entry* entry = find(name);
    if (entry == nullptr) return std::nullopt;
    if (entry->size > kSmallRecord) return "";
    try {
      return std::string(as_chars(reader_.read(*entry, zip::Check::kNone)));
    } catch (const Error&) {
      return "";  // check_records() has said so
    }
  }

  void predict() {
    using weights_only::kTorch2;
    weights_only::Verdicts verdicts;
    if (find("constants.pkl") != nullptr) {
      verdicts.refuse(kTorch2, "it is a TorchScript archive, which torch.jit.load reads");
      out_.notes.push_back("holds TorchScript code, which runs when the model does");
      out_.weights_only = verdicts.answers();
      return;
    }
    if (!main_) verdicts.refuse(weights_only::kEvery, "there is no pickle to load");
    if (const auto text = small_record("byteorder"); text && *text != "little" && *text != "big") {
      verdicts.refuse(kTorch2, "its byte order is unknown", cat(top_, "byteorder"));
    }
    if (const auto text = small_record(".storage_alignment"); text && !is_number(*text)) {
      verdicts.refuse(weights_only::kTorch2_13, "its storage alignment is not a number",
                      cat(top_, ".storage_alignment"));
    }
    if (main_) {
      const auto has_storage = [this](std::string_view key) { return find(cat("data/", key)) != nullptr; };
      follow({find("data.pkl")->name, *main_, 0, weights_only::PidForm::kZip, has_storage}, verdicts);
    }
    out_.weights_only = verdicts.answers();
  }

  const zip::Reader& reader_;
  const LoadOptions& options_;
  Examination& out_;
  std::string top_;  // with the final '/'
  std::vector<std::array<std::byte, 2>> heads_;
  std::optional<std::vector<std::byte>> main_;  // the bytes of data.pkl, from its beginning
};

// Of an archive without a readable directory, the record at its beginning: torch.save puts the pickle there.
void examine_first_record(const ByteSource& source, const LoadOptions& options, Examination& out) {
  constexpr std::size_t kLocalHeader = 30;
  if (source.size() < kLocalHeader) return;
  std::array<std::byte, kLocalHeader> header{};
  source.read_at(header, 0);
  ByteReader in(header, "zip");
  if (in.chars(4) != std::string_view("PK\3\4", 4)) return;
  in.skip(4);
  if (in.little<std::uint16_t>() != 0) return;  // deflated
  in.skip(16);
  const std::size_t name_size = in.little<std::uint16_t>();
  const std::uint64_t begin = kLocalHeader + name_size + in.little<std::uint16_t>();
  if (begin + 2 > source.size()) return;
  std::array<std::byte, 2> head{};
  source.read_at(head, begin);
  if (!looks_like_pickle(head)) return;
  std::string name(name_size, '\0');
  source.read_at(std::as_writable_bytes(std::span(name)), kLocalHeader);
  out.pickles.push_back(
      pickle_facts(name, parse_in_window(source, begin, source.size() - begin, options, 0).parsed));
}

}  // namespace

void examine_zip(const Source& source, const LoadOptions& options, Examination& out) {
  std::vector<Error> faults;
  try {
    const zip::Reader reader(source.bytes, zip_limits(options, out.format == Format::kNpz), &faults);
    for (const Error& fault : faults) out.problems.push_back(problem_of(fault));
    ZipExamination(reader, options, out).run();
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    for (const Error& fault : faults) out.problems.push_back(problem_of(fault));
    out.problems.push_back(problem_of(error));
    examine_first_record(*source.bytes, options, out);
    weights_only::Verdicts verdicts;
    verdicts.refuse(weights_only::kEvery, "the archive cannot be opened");
    out.weights_only = verdicts.answers();
  }
}

}  // namespace sconce::checkpoint
