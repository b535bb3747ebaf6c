#include "checkpoint/persistent_ids.h"

#include <utility>

#include "checkpoint/torch_names.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

std::string key_text(Node key) {
  return key.is(Kind::kInt) ? std::to_string(key.as_int()) : std::string(key.as_string());
}

std::string device_name(std::string_view name, Node at) {
  constexpr std::size_t kLongest = 256;
  if (name.size() > kLongest) {
    throw Error(ErrorCode::kCorrupt, "torch",
                cat("a device's name has ", name.size(), " bytes, expected at most ", kLongest))
        .at_offset(at.offset());
  }
  return std::string(name);
}

StorageInfo storage_of(Node type, std::string key, std::string_view location, std::int64_t numel) {
  StorageInfo info;
  const auto storage_class = storage_class_of(type.as_global());
  if (!storage_class) type.unexpected("a storage class of torch");
  info.dtype = storage_class->dtype;
  info.key = std::move(key);
  info.location = device_name(location, type);
  info.bytes = at_offset(type.offset(), [&] {
    return checked_mul(static_cast<std::uint64_t>(numel),
                       static_cast<std::uint64_t>(itemsize(info.dtype.value_or(kUInt8))), "torch");
  });
  return info;
}

StorageView view_within(const StorageInfo& storage, std::string key, std::int64_t offset, std::int64_t numel,
                        Node at) {
  if (!storage.dtype) at.unexpected("a part of a storage whose elements have a type");
  const auto elements = static_cast<std::int64_t>(storage.bytes / itemsize(storage.dtype.value_or(kUInt8)));
  if (offset < 0 || numel < 0 || offset > elements || numel > elements - offset) {
    at.unexpected(cat("a part of storage '", escaped(storage.key), "', which has ", elements, " elements"));
  }
  return {std::move(key), offset, numel};
}

namespace {

// The first items of every storage id.
Referent storage_id(const NodeList& parts) {
  if (!parts[0].is(Kind::kString) || parts[0].as_string() != "storage") parts[0].unexpected("'storage'");
  if (parts[4].as_int() < 0) parts[4].unexpected("a number of elements");
  Referent out;
  out.storage = storage_of(parts[1], key_text(parts[2]), parts[3].as_string(), parts[4].as_int());
  return out;
}

class ZipIds : public PersistentIds {
 public:
  Referent resolve(Node node) const override {
    const Node pid = node.pid();
    if (!pid.is(Kind::kTuple) || pid.size() != 5) pid.unexpected("a storage id: a tuple of 5 items");
    return storage_id(pid.items());
  }
};

class LegacyIds : public PersistentIds {
 public:
  Referent resolve(Node node) const override {
    const Node pid = node.pid();
    if (pid.is(Kind::kString)) {
      throw Error(ErrorCode::kUnsupported, "torch",
                  "the stream was written with pickle protocol 0, which keeps storage ids as mere text; "
                  "torch.load cannot read it either")
          .at_offset(pid.offset())
          .with_advice("save it with protocol 2");
    }
    if (pid.is(Kind::kTuple) && pid.size() == 4 && pid.items()[0].is(Kind::kString) &&
        pid.items()[0].as_string() == "module") {
      // The file name and source text are for people who run the class; nothing here does, or shows them.
      pid.items()[1].as_global();
      Referent out;
      out.global = pid.items()[1];
      return out;
    }
    if (!pid.is(Kind::kTuple) || pid.size() != 6) pid.unexpected("a storage id: a tuple of 6 items");
    const NodeList parts = pid.items();
    Referent out = storage_id(parts);
    if (!parts[5].is_none()) {
      const Node view = parts[5];
      if (!view.is(Kind::kTuple) || view.size() != 3) view.unexpected("a view: a tuple of 3 items");
      out.view = view_within(out.storage, key_text(view.items()[0]), view.items()[1].as_int(),
                             view.items()[2].as_int(), view);
    }
    return out;
  }
};

}  // namespace

const PersistentIds& zip_ids() {
  static const ZipIds ids;
  return ids;
}

const PersistentIds& legacy_ids() {
  static const LegacyIds ids;
  return ids;
}

}  // namespace sconce::checkpoint
