// sconce_probe tree IN: the loaded value as JSON, each tensor with the SHA-256 of its contiguous bytes.
// sconce_probe list IN: the same from a listing, which reads tensors one by one.
#include <iostream>
#include <map>

#include "probe.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/codec/json.h"
#include "sconce/codec/sha256.h"

namespace sconce::probe {
namespace {

using json::Json;

Json numbers(const Dims& dims) {
  json::Array out;
  for (const std::int64_t dim : dims) out.emplace_back(dim);
  return out;
}

std::string digest(const Array& array) {
  std::vector<std::byte> bytes(array.nbytes());
  copy_to_contiguous(array, bytes);
  return sha256_hex(bytes);
}

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<unsigned>(byte) >> 4];
    out += kDigits[static_cast<unsigned>(byte) & 15];
  }
  return out;
}

class Printer {
 public:
  Json print(const Value& value) {
    switch (value.kind()) {
      case ValueKind::kNone:
        return json::Object{{"none", nullptr}};
      case ValueKind::kBool:
        return json::Object{{"bool", value.as_bool()}};
      case ValueKind::kInt:
        return value.is_big_int() ? json::Object{{"bigint", hex(value.int_bytes())}}
                                  : json::Object{{"int", value.as_int()}};
      case ValueKind::kFloat:
        return json::Object{{"float", bits(value.as_float())}};
      case ValueKind::kComplex:
        return json::Object{
            {"complex", json::Array{bits(value.as_complex().real()), bits(value.as_complex().imag())}}};
      case ValueKind::kString:
        return json::Object{{"str", value.as_string()}};
      case ValueKind::kBytes:
        return json::Object{{value.is_bytearray() ? "bytearray" : "bytes", hex(value.as_bytes())}};
      case ValueKind::kList:
        return json::Object{{"list", elements(value)}};
      case ValueKind::kTuple:
        return json::Object{{"tuple", elements(value)}};
      case ValueKind::kSet:
        return json::Object{{value.is_frozen() ? "frozenset" : "set", elements(value)}};
      case ValueKind::kDict:
        return dict(value);
      case ValueKind::kArray:
        return tensor(value);
      case ValueKind::kSparse:
        return sparse(value.as_sparse());
      case ValueKind::kObject:
        return object(value);
    }
    return {};
  }

 private:
  static std::string bits(double value) { return hex(std::as_bytes(std::span(&value, 1))); }

  Json elements(const Value& value) {
    json::Array out;
    for (const Value& element : value.elements()) out.push_back(print(element));
    return out;
  }

  Json dict(const Value& value) {
    json::Array pairs;
    for (const auto& [key, item] : value.items()) pairs.push_back(json::Array{print(key), print(item)});
    json::Object out{{value.is_ordered_dict() ? "OrderedDict" : "dict", std::move(pairs)}};
    if (const auto metadata = value.attribute("_metadata")) out.emplace_back("_metadata", print(*metadata));
    return out;
  }

  json::Object array(const Array& array) {
    const auto number = static_cast<std::int64_t>(storages_.size());
    return {{"tensor", std::string(dtype_name(array.dtype()))},
            {"shape", numbers(array.shape())},
            {"stride", numbers(array.strides())},
            {"offset", array.offset()},
            {"storage", storages_.try_emplace(array.storage().id(), number).first->second},
            {"sha256", digest(array)}};
  }

  Json tensor(const Value& value) {
    const TensorLeaf& leaf = value.as_tensor();
    json::Object out = array(leaf.array);
    out.emplace_back("requires_grad", leaf.requires_grad);
    out.emplace_back("parameter", leaf.is_parameter);
    if (leaf.quantization) {
      out.emplace_back("scale", bits(leaf.quantization->scale));
      out.emplace_back("zero_point", leaf.quantization->zero_point);
      if (leaf.quantization->scales.defined()) {
        out.emplace_back("scales", array(leaf.quantization->scales));
        out.emplace_back("zero_points", array(leaf.quantization->zero_points));
      }
    }
    for (const auto& [name, attribute] : value.attributes())
      out.emplace_back(cat(".", name), print(attribute));
    return out;
  }

  // numpy's arrays and meta tensors by their content, every other object by its class and arguments.
  Json object(const Value& value) {
    if (const auto numpy = checkpoint::numpy_array(value)) {
      json::Object out = array(*numpy);
      out.front().first = "numpy";
      return out;
    }
    if (const auto meta = checkpoint::meta_tensor(value)) {
      return json::Object{{"meta", std::string(dtype_name(meta->dtype))},
                          {"shape", numbers(meta->geometry.shape)},
                          {"stride", numbers(meta->geometry.strides)},
                          {"requires_grad", meta->requires_grad},
                          {"parameter", meta->is_parameter}};
    }
    return json::Object{
        {"object", cat(value.global_module(), ".", value.global_name())},
        {"args", value.object_kind() == ObjectKind::kGlobal ? Json() : print(value.object_args())}};
  }

  Json sparse(const SparseLeaf& leaf) {
    json::Object out{{"sparse", leaf.layout},
                     {"indices", array(leaf.indices)},
                     {"values", array(leaf.values)},
                     {"size", numbers(leaf.size)}};
    if (leaf.plain_indices.defined()) out.emplace_back("plain_indices", array(leaf.plain_indices));
    out.emplace_back("requires_grad", leaf.requires_grad);
    out.emplace_back("parameter", leaf.is_parameter);
    return out;
  }

  std::map<const void*, std::int64_t> storages_;
};

int tree(const Arguments& arguments) {
  std::cout << json::write(Printer().print(checkpoint::load(arguments.at(0)))) << '\n';
  return 0;
}

int list(const Arguments& arguments) {
  const auto listing = checkpoint::describe(arguments.at(0));
  json::Array tensors;
  for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
    const checkpoint::TensorInfo& info = listing.tensors[i];
    tensors.push_back(
        json::Object{{"name", info.name},
                     {"role", info.role},
                     {"dtype", std::string(dtype_name(info.dtype))},
                     {"shape", numbers(info.geometry.shape)},
                     {"stride", numbers(info.geometry.strides)},
                     {"offset", info.geometry.offset},
                     {"bytes", info.bytes()},
                     {"storage", static_cast<std::int64_t>(info.storage)},
                     {"alias_of", info.alias_of ? Json(static_cast<std::int64_t>(*info.alias_of)) : Json()},
                     {"requires_grad", info.requires_grad},
                     {"sha256", digest(listing.read(i))}});
  }
  std::cout << json::write(json::Object{{"format", std::string(format_name(listing.format))},
                                        {"tensors", std::move(tensors)}})
            << '\n';
  return 0;
}

const Command kTree("tree", tree);
const Command kList("list", list);

}  // namespace
}  // namespace sconce::probe
