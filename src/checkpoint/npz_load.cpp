// numpy's .npy, one array, and .npz, a zip archive of them.
#include <algorithm>

#include "checkpoint/npy_array.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/readers.h"
#include "checkpoint/tensor_store.h"
#include "sconce/base/parallel.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::checkpoint {
namespace {

using npy::check_size;
using npy::fix_order;
using npy::header_from;
using npy::kSuffix;
using npy::value_of;

TensorInfo info_of(const npy::Header& header) {
  TensorInfo info;
  info.dtype = header.dtype;
  info.geometry = header.geometry;
  info.device = "cpu";
  info.storage_bytes = header.data_bytes;
  return info;
}

// ---- .npy

npy::Header read_npy_header(const ByteSource& source) {
  const auto read = [&](std::size_t n) {
    std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), n)));
    source.read_at(head, 0);
    return head;
  };
  npy::Header header = header_from(read);
  check_size(header, source.size());
  return header;
}

Storage read_npy(const ByteSource& source, const npy::Header& header) {
  Storage storage = Storage::allocate(static_cast<std::size_t>(header.data_bytes));
  const std::span<std::byte> bytes(storage.mutable_data(), storage.size());
  source.read_at(bytes, header.size);
  fix_order(header, bytes);
  return storage;
}

class NpyStore : public detail::TensorStore {
 public:
  NpyStore(Source source, npy::Header header, const LoadOptions& options)
      : TensorStore(options), source_(std::move(source)), header_(std::move(header)) {}

 protected:
  Storage read(const TensorInfo&) const override { return read_npy(*source_.bytes, header_); }

 private:
  Source source_;
  npy::Header header_;
};

// ---- .npz

struct Member {
  const zip::Entry* entry;
  std::string name;
  npy::Header header;
};

class NpzArchive {
 public:
  NpzArchive(Source source, const LoadOptions& options)
      : source_(std::move(source)),
        check_(options.check_crc ? zip::Check::kCrc : zip::Check::kNone),
        reader_(source_.bytes, zip_limits(options, true)) {
    for (const zip::Entry& entry : reader_.entries()) {
      require(entry.name.ends_with(kSuffix), ErrorCode::kUnsupported, "npz", "the record '",
              escaped(entry.name), "' is not an array (.npy); leave it out");
      Member member{&entry, entry.name.substr(0, entry.name.size() - kSuffix.size()), {}};
      try {
        member.header = header_from([&](std::size_t n) { return reader_.read_prefix(entry, n); });
        check_size(member.header, entry.size);
      } catch (const Error& error) {
        throw error.in_record(entry.name, OffsetIn::kRecord);
      }
      members_.push_back(std::move(member));
    }
  }

  const zip::Reader& reader() const { return reader_; }
  const std::vector<Member>& members() const { return members_; }

  // Whoever catches an error of read() may be writing another file.
  template <class Read>
  void named(const Read& read) const {
    try {
      read();
    } catch (const Error& error) {
      throw error.in_file(source_.path);
    }
  }

  // The data in pieces, as they stand in the file. A wrong checksum is an Error after the last.
  void read_pieces(const Member& member, const StorageSource::Piece& piece) const {
    std::size_t left = member.header.size;  // bytes of the header still to pass over
    reader_.read_chunks(
        *member.entry,
        [&](std::span<const std::byte> bytes) {
          const std::size_t passed = std::min(left, bytes.size());
          left -= passed;
          if (passed < bytes.size()) piece(bytes.subspan(passed));
        },
        check_);
  }

  // `out` has the size of the data, which comes in the machine's order of bytes.
  void read(const Member& member, std::span<std::byte> out) const {
    auto to = out.begin();
    read_pieces(member,
                [&](std::span<const std::byte> bytes) { to = std::copy(bytes.begin(), bytes.end(), to); });
    fix_order(member.header, out);
  }

  Storage read(const Member& member) const {
    Storage storage = Storage::allocate(static_cast<std::size_t>(member.header.data_bytes));
    read(member, {storage.mutable_data(), storage.size()});
    return storage;
  }

  std::optional<Storage> map(const Member& member) const {
    if (member.entry->method != zip::Method::kStored || member.header.needs_swap) return std::nullopt;
    return source_.mapped(reader_.payload_offset(*member.entry) + member.header.size,
                          member.header.data_bytes, dtype_info(member.header.dtype).word);
  }

 private:
  Source source_;
  zip::Check check_;
  zip::Reader reader_;
  std::vector<Member> members_;
};

// An array that is read when someone looks at it.
class MemberSource : public StorageSource {
 public:
  MemberSource(std::shared_ptr<const NpzArchive> archive, std::size_t index)
      : archive_(std::move(archive)), index_(index) {}

  void read(std::span<std::byte> out) const override {
    archive_->named([&] { archive_->read(member(), out); });
  }
  void stream(const Piece& piece) const override {
    archive_->named([&] {
      if (!member().header.needs_swap) return archive_->read_pieces(member(), piece);
      const Storage storage = archive_->read(member());  // pieces may end within a number
      piece({storage.data(), storage.size()});
    });
  }

 private:
  const Member& member() const { return archive_->members()[index_]; }

  std::shared_ptr<const NpzArchive> archive_;
  std::size_t index_;
};

class NpzStore : public detail::TensorStore {
 public:
  NpzStore(std::shared_ptr<const NpzArchive> archive, const LoadOptions& options)
      : TensorStore(options), archive_(std::move(archive)) {}

 protected:
  Storage read(const TensorInfo& tensor) const override {
    return archive_->read(archive_->members()[tensor.storage]);
  }

 private:
  std::shared_ptr<const NpzArchive> archive_;
};

}  // namespace

Value load_npy(const Source& source, const LoadOptions&) {
  const npy::Header header = read_npy_header(*source.bytes);
  if (!header.needs_swap) {
    auto mapped = source.mapped(header.size, header.data_bytes, dtype_info(header.dtype).word);
    if (mapped) return value_of(header, *std::move(mapped));
  }
  return value_of(header, read_npy(*source.bytes, header));
}

Listing list_npy(const Source& source, const LoadOptions& options) {
  npy::Header header = read_npy_header(*source.bytes);
  Listing listing;
  listing.format = Format::kNpz;
  listing.file_size = source.bytes->size();
  listing.tree = Value(Array());
  TensorInfo info = info_of(header);
  info.file_offset = header.size;
  listing.tensors.push_back(std::move(info));
  listing.store = std::make_shared<NpyStore>(source, std::move(header), options);
  return listing;
}

Value load_npz(const Source& source, const LoadOptions& options) {
  const auto archive = std::make_shared<const NpzArchive>(source, options);
  const auto& members = archive->members();
  std::vector<Storage> storages(members.size());
  const auto count = static_cast<std::int64_t>(members.size());
  const std::int64_t grain = grain_for_bytes(count, source.bytes->size());
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (auto mapped = archive->map(members[i])) {
        storages[i] = *std::move(mapped);
      } else if (options.defer) {
        storages[i] = Storage::deferred(static_cast<std::size_t>(members[i].header.data_bytes),
                                        std::make_shared<MemberSource>(archive, i));
      } else {
        storages[i] = archive->read(members[i]);
      }
    }
  });
  Value out = Value::dict();
  for (std::size_t i = 0; i < members.size(); ++i) {
    out.set_item(members[i].name, value_of(members[i].header, std::move(storages[i])));
  }
  return out;
}

Listing list_npz(const Source& source, const LoadOptions& options) {
  const std::uint64_t size = source.bytes->size();
  const auto archive = std::make_shared<const NpzArchive>(source, options);
  Listing listing;
  listing.format = Format::kNpz;
  listing.file_size = size;
  listing.tree = Value::dict();
  std::size_t unchecked = 0;
  for (const Member& member : archive->members()) {
    TensorInfo info = info_of(member.header);
    info.name = member.name;
    info.path = {Value(member.name)};
    info.storage = listing.tensors.size();
    info.record = member.entry->name;
    info.file_offset = archive->reader().payload_offset(*member.entry);
    if (member.entry->method == zip::Method::kStored) info.file_offset += member.header.size;
    info.has_checksum = member.entry->crc_recorded();
    unchecked += info.has_checksum ? 0 : 1;
    listing.tree.set_item(member.name, Value(Array()));
    listing.tensors.push_back(std::move(info));
  }
  if (unchecked > 0) {
    listing.notes.push_back(cat(unchecked, " of ", listing.tensors.size(), " records have no checksum"));
  }
  listing.store = std::make_shared<NpzStore>(archive, options);
  return listing;
}

}  // namespace sconce::checkpoint
