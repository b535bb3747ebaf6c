#include "checkpoint/dcp_metadata.h"
#include "sconce/base/checked.h"
#include "sconce/codec/pickle_writer.h"

namespace sconce::checkpoint::dcp {
namespace {

constexpr std::string_view kModule = "torch.distributed.checkpoint.metadata";
constexpr std::string_view kStorageModule = "torch.distributed.checkpoint.filesystem";

class MetadataWriter {
 public:
  std::vector<std::byte> write(const std::vector<Item>& items) {
    out_.proto();
    object(kModule, "Metadata");
    begin_fields();
    key("state_dict_metadata");
    dict(items, [this](const Item& item) {
      out_.shared_text(item.name);
      item.is_tensor ? tensor(item) : object(kModule, "BytesStorageMetadata");
    });
    key("planner_data");
    dict(items, [this](const Item& item) {
      out_.shared_text(item.name);
      path(item.path);
    });
    key("storage_data");
    out_.empty_dict();
    out_.mark();
    for (const Item& item : items) {
      if (!item.is_tensor) stored(item.name, nullptr, 0, item.place);
      for (std::size_t i = 0; i < item.chunks.size(); ++i) {
        stored(item.name, &item.chunks[i].offsets, i, item.chunks[i].place);
      }
    }
    out_.setitems();
    key("storage_meta");
    out_.none();
    end_fields();
    out_.stop();
    return out_.take();
  }

 private:
  // An instance without a state yet.
  void object(std::string_view module, std::string_view name) {
    out_.global(module, name);
    out_.empty_tuple();
    out_.newobj();
  }
  void begin_fields() {
    out_.empty_dict();
    out_.mark();
  }
  void key(std::string_view name) { out_.shared_text(name); }
  void end_fields() {
    out_.setitems();
    out_.build();
  }

  template <class Write>
  void dict(const std::vector<Item>& items, const Write& write) {
    out_.empty_dict();
    out_.mark();
    for (const Item& item : items) write(item);
    out_.setitems();
  }

  void number(std::uint64_t value) { out_.integer(checked_cast<std::int64_t>(value, "dcp")); }

  void size(const Shape& shape) {
    out_.global("torch", "Size");
    out_.mark();
    for (const std::int64_t each : shape) out_.integer(each);
    out_.tuple(4);  // closes the mark, whatever the number
    out_.tuple(1);
    out_.reduce();
  }

  void path(const std::vector<Value>& steps) {
    out_.mark();
    for (const Value& step : steps) {
      step.is_int() ? out_.integer(step.as_int()) : out_.shared_text(step.as_string());
    }
    out_.tuple(4);
  }

  void tensor(const Item& item) {
    object(kModule, "TensorStorageMetadata");
    begin_fields();
    key("properties");
    object(kModule, "TensorProperties");
    out_.mark();
    out_.global("torch", dtype_name(item.dtype));
    out_.global("torch.serialization", "_get_layout");
    out_.shared_text("torch.strided");
    out_.tuple(1);
    out_.reduce();
    out_.boolean(false);  // requires_grad
    out_.global(kModule, "_MEM_FORMAT_ENCODING");
    out_.integer(0);  // contiguous
    out_.tuple(1);
    out_.reduce();
    out_.boolean(false);  // pin_memory
    out_.tuple(5);
    out_.build();
    key("size");
    size(item.size);
    key("chunks");
    out_.empty_list();
    out_.mark();
    for (const Chunk& chunk : item.chunks) {
      object(kModule, "ChunkStorageMetadata");
      begin_fields();
      key("offsets");
      size(chunk.offsets);
      key("sizes");
      size(chunk.sizes);
      end_fields();
    }
    out_.appends();
    end_fields();
  }

  void stored(const std::string& name, const Shape* offset, std::size_t index, const Place& place) {
    object(kModule, "MetadataIndex");
    begin_fields();
    key("fqn");
    out_.shared_text(name);
    key("index");
    offset ? number(index) : out_.none();
    if (offset) {
      key("offset");
      size(*offset);
    }
    end_fields();
    object(kStorageModule, "_StorageInfo");
    begin_fields();
    key("relative_path");
    out_.shared_text(place.file);
    key("offset");
    number(place.offset);
    key("length");
    number(place.length);
    end_fields();
  }

  pickle::Writer out_;
};

}  // namespace

std::vector<std::byte> write_metadata(const std::vector<Item>& items) {
  return MetadataWriter().write(items);
}

}  // namespace sconce::checkpoint::dcp
