#include "checkpoint/dcp_folder.h"

#include <bit>
#include <utility>

#include "checkpoint/dcp_tree.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/listing_join.h"
#include "checkpoint/readers.h"
#include "sconce/base/checked.h"
#include "sconce/base/parallel.h"
#include "sconce/checkpoint/named.h"

namespace sconce::checkpoint::dcp {
namespace {

// A range of another source, as a source of its own.
class SliceSource : public ByteSource {
 public:
  SliceSource(std::shared_ptr<const ByteSource> whole, std::uint64_t offset, std::uint64_t size)
      : whole_(std::move(whole)), offset_(offset), size_(size) {}
  std::uint64_t size() const override { return size_; }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    require(offset <= size_ && out.size() <= size_ - offset, ErrorCode::kTruncated, "dcp", "expected ",
            out.size(), " bytes at byte ", offset, " of an item of ", size_);
    whole_->read_at(out, offset_ + offset);
  }

 private:
  std::shared_ptr<const ByteSource> whole_;
  std::uint64_t offset_;
  std::uint64_t size_;
};

std::uint64_t bytes_of(const Shape& shape, DType dtype) {
  return static_cast<std::uint64_t>(
      checked_mul(shape.numel(), static_cast<std::int64_t>(itemsize(dtype)), "dcp"));
}

// Errors of an item say which.
template <class Read>
auto within(const std::string& path, const Item& item, const Place& place, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted) throw;
    throw Error(error.code(), error.where(),
                cat("item '", escaped(item.name), "' at byte ", place.offset, ": ", error.text()))
        .in_file(cat(path, "/", place.file))
        .with_limit(error.limit())
        .with_advice(error.advice());
  }
}

void check_tensor(const Item& item, const Chunk& part, DType dtype, const Shape& shape) {
  require(dtype == item.dtype && shape == part.sizes, ErrorCode::kCorrupt, "dcp", "expected a tensor of ",
          item.dtype, " ", part.sizes.str(), ", found ", dtype, " ", shape);
}

bool is_exact(const Geometry& geometry, std::uint64_t bytes, std::uint64_t storage_bytes) {
  return geometry.is_contiguous() && geometry.offset == 0 && bytes == storage_bytes;
}

std::string dotted(const std::vector<Value>& path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) out += cat(i == 0 ? "" : ".", key_name(path[i]));
  return out;
}

}  // namespace

Folder::Folder(const std::string& path, Metadata metadata, Storing storing, const LoadOptions& options)
    : metadata_(std::move(metadata)), storing_(storing), options_(options), path_(path) {
  const auto open = [&](const Item& item, const Place& place) {
    auto& file = files_[place.file];
    if (!file) {
      file = std::make_shared<const File>(File::open(file_in_folder(path, place.file)));
      file_size_ = checked_add(file_size_, file->size(), "dcp");
    }
    const bool fits = place.offset <= file->size() && place.length <= file->size() - place.offset;
    within(path, item, place, [&] {
      require(fits, ErrorCode::kTruncated, "dcp", "expected ", place.length, " bytes, the file ends at byte ",
              file->size());
    });
  };
  for (const Item& item : metadata_.items) {
    if (!item.is_tensor) open(item, item.place);
    for (const Chunk& part : item.chunks) {
      open(item, part.place);
      within(path, item, part.place, [&] {
        const std::uint64_t bytes = bytes_of(part.sizes, item.dtype);
        require(bytes <= part.place.length, ErrorCode::kTruncated, "dcp", "a tensor of ", item.dtype, " ",
                part.sizes.str(), " has ", bytes, " bytes, the item ", part.place.length);
      });
    }
  }
}

Source Folder::source(const Place& place) const {
  return {std::make_shared<SliceSource>(files_.at(place.file), place.offset, place.length), nullptr,
          file_in_folder(path_, place.file)};
}

Array Folder::chunk(const Item& item, const Chunk& part) const {
  return within(path_, item, part.place, [&] {
    if (storing_ == Storing::kTorchZip) {
      const Value value = load_torch_zip(source(part.place), options_);
      require(value.is_array(), ErrorCode::kCorrupt, "dcp", "expected a tensor, found a ",
              value_kind_name(value.kind()));
      check_tensor(item, part, value.as_array().dtype(), value.as_array().shape());
      return value.as_array();
    }
    Array array = Array::empty(part.sizes, item.dtype);
    require(array.nbytes() == part.place.length, ErrorCode::kCorrupt, "dcp", "expected ", array.nbytes(),
            " bytes, found ", part.place.length);
    const std::span<std::byte> bytes(array.mutable_raw(), array.nbytes());
    files_.at(part.place.file)->read_at(bytes, part.place.offset);
    if (std::endian::native == std::endian::big) swap_words(bytes, dtype_info(item.dtype).word);
    return array;
  });
}

Array Folder::tensor(const Item& item) const {
  if (item.chunks.size() == 1) {
    const Array only = chunk(item, item.chunks.front());
    return is_exact(only.geometry(), only.nbytes(), only.storage().size()) ? only : only.clone();
  }
  // The chunks cover it exactly, and each has its bytes in a file: this is not more than what is there.
  Array whole = Array::empty(item.size, item.dtype);
  for (const Chunk& part : item.chunks) {
    Array target = whole;
    for (std::size_t i = 0; i < part.sizes.size(); ++i) {
      target = target.narrow(static_cast<std::int64_t>(i), part.offsets[i], part.sizes[i]);
    }
    const Array read = chunk(item, part);
    if (read.numel() > 0) target.copy_from(read);
  }
  return whole;
}

Value Folder::object(const Item& item) const {
  return within(path_, item, item.place, [&] { return load_torch_zip(source(item.place), options_); });
}

Value Folder::load() const {
  std::vector<Value> values(metadata_.items.size());
  const auto count = static_cast<std::int64_t>(values.size());
  parallel_for(count, grain_for_bytes(count, file_size()), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Item& item = metadata_.items[i];
      values[i] = item.is_tensor ? Value(tensor(item)) : object(item);
    }
  });
  std::vector<std::string> notes;
  return nested(metadata_.items, values, notes);
}

namespace {

class FolderListing {
 public:
  FolderListing(const std::shared_ptr<const Folder>& folder, const std::string& path, Storing storing)
      : folder_(folder), path_(path), storing_(storing), join_(folder->options()) {}

  Listing list(Format format) {
    Listing& whole = join_.whole();
    whole.format = format;
    whole.file_size = folder_->file_size();
    whole.notes = folder_->metadata().notes;
    Listing metadata;
    metadata.pickles = folder_->metadata().pickles;
    for (const PickleFacts& facts : metadata.pickles) {
      for (const GlobalUse& global : facts.globals) metadata.globals.push_back({global.module, global.name});
    }
    join_.add_part(metadata, "", "");
    std::vector<Value> values;
    for (const Item& item : folder_->metadata().items) {
      values.push_back(item.is_tensor ? tensor(item) : object(item));
    }
    whole.tree = nested(folder_->metadata().items, values, whole.notes);
    if (unchecked_ > 0) whole.notes.push_back(cat(unchecked_, " items have no checksum"));
    for (const auto& [note, count] : notes_) whole.notes.push_back(cat(note, " (in ", count, " items)"));
    return join_.finish();
  }

 private:
  Listing list_item(const Place& place) {
    Listing part = list_torch_zip(folder_->source(place), folder_->options());
    for (TensorInfo& info : part.tensors) {
      info.file = place.file;
      info.file_offset += place.offset;
    }
    return part;
  }

  // Adds what an item says besides its tensors.
  std::size_t add(Listing& part, const Item& item, const Place& place) {
    for (const std::string& note : part.notes) ++notes_[note];
    part.notes.clear();
    return join_.add_part(part, dotted(item.path), cat(place.file, " at byte ", place.offset));
  }

  Value tensor(const Item& item) {
    TensorInfo info;
    info.dtype = item.dtype;
    info.geometry = Geometry::contiguous(item.size);
    info.device = "cpu";
    info.storage_bytes = bytes_of(item.size, item.dtype);
    info.has_checksum = storing_ == Storing::kTorchZip;
    std::optional<std::size_t> storage;
    for (const Chunk& part : item.chunks) {
      info.file = part.place.file;
      if (storing_ == Storing::kRaw) {
        info.file_offset = part.place.offset;
        continue;
      }
      within(path_, item, part.place, [&] {
        Listing listing = list_item(part.place);
        require(listing.tensors.size() == 1 && listing.tree.is_array(), ErrorCode::kCorrupt, "dcp",
                "expected one tensor");
        const TensorInfo& found = listing.tensors.front();
        check_tensor(item, part, found.dtype, found.geometry.shape);
        info.has_checksum = info.has_checksum && found.has_checksum;
        if (!found.has_checksum) listing.notes.clear();  // counted instead
        const std::size_t first = add(listing, item, part.place);
        if (item.chunks.size() == 1 && !found.is_conj && !found.is_neg &&
            is_exact(found.geometry, found.bytes(), found.storage_bytes)) {
          storage = first + found.storage;
          info.record = found.record;
          info.file_offset = found.file_offset;
        }
      });
    }
    if (!info.has_checksum && storing_ == Storing::kTorchZip) ++unchecked_;
    if (item.chunks.size() > 1) {
      info.file.clear();  // more than one
      info.file_offset = 0;
    }
    info.storage =
        storage ? *storage
                : join_.add_storage([folder = folder_, &item] { return folder->tensor(item).storage(); });
    put(std::move(info), item, {});
    return Value(Array());
  }

  Value object(const Item& item) {
    return within(path_, item, item.place, [&] {
      Listing part = list_item(item.place);
      const std::size_t first = add(part, item, item.place);
      for (TensorInfo& info : part.tensors) {
        info.storage += first;
        const auto path = info.path;
        put(std::move(info), item, path);
      }
      return part.tree;
    });
  }

  void put(TensorInfo info, const Item& item, const std::vector<Value>& below) {
    info.path = item.path;
    info.path.insert(info.path.end(), below.begin(), below.end());
    info.name = dotted(info.path);
    join_.add_tensor(std::move(info));
  }

  std::shared_ptr<const Folder> folder_;
  std::string path_;
  Storing storing_;
  ListingJoin join_;
  std::size_t unchecked_ = 0;
  std::map<std::string, std::size_t> notes_;
};

}  // namespace

Listing Folder::list(const std::shared_ptr<const Folder>& folder, Format format) {
  return FolderListing(folder, folder->path_, folder->storing_).list(format);
}

}  // namespace sconce::checkpoint::dcp
