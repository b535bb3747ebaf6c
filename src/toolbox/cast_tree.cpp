#include "toolbox/cast_tree.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "sconce/base/interrupt.h"
#include "sconce/base/parallel.h"
#include "sconce/checkpoint/named.h"

namespace sconce::toolbox {
namespace {

constexpr std::size_t kBlockElements = std::size_t{1} << 17;
constexpr std::int64_t kGrain = 1 << 14;

// Numbers from here on are rounded to the largest one of a type without infinities.
constexpr double kFloat8E4M3FNEnd = 464;

std::uint64_t count_overflow(const std::byte* source, DType from, const std::byte* target, DType to,
                             std::int64_t count) {
  std::uint64_t found = 0;
  const auto source_is_finite = [&](std::int64_t i, double limit) {
    return visit_dtype(from, [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_floating_point_v<T> || !std::is_arithmetic_v<T>) {
        T value;
        std::memcpy(&value, source + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        if constexpr (requires { static_cast<float>(value); }) {
          const auto wide = [&] {
            if constexpr (std::is_floating_point_v<T>)
              return static_cast<double>(value);
            else
              return static_cast<double>(static_cast<float>(value));
          }();
          return std::isfinite(wide) && std::fabs(wide) >= limit;
        }
      }
      return false;
    });
  };
  visit_dtype(to, [&]<class T>(std::type_identity<T>) {
    if constexpr (requires(T value) { static_cast<float>(value); }) {
      for (std::int64_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, target + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        const bool is_finite = [&] {
          if constexpr (std::is_floating_point_v<T>)
            return std::isfinite(value);
          else
            return std::isfinite(static_cast<float>(value));
        }();
        if (!is_finite) {
          found += source_is_finite(i, 0) ? 1 : 0;
        } else if (std::is_same_v<T, Float8E4M3FN> && std::fabs(static_cast<float>(value)) >= 448) {
          found += source_is_finite(i, kFloat8E4M3FNEnd) ? 1 : 0;
        }
      }
    }
  });
  return found;
}

// The elements of a storage in another dtype, converted as they pass by.
class CastSource : public StorageSource {
 public:
  CastSource(Storage origin, DType from, DType to)
      : origin_(std::move(origin)),
        from_(from),
        to_(to),
        overflowed_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

  std::shared_ptr<const std::atomic<std::uint64_t>> overflowed() const { return overflowed_; }

  void read(std::span<std::byte> out) const override {
    std::size_t done = 0;
    stream([&](std::span<const std::byte> piece) {
      std::memcpy(out.data() + done, piece.data(), piece.size());
      done += piece.size();
    });
  }

  void stream(const Piece& piece) const override {
    const std::size_t size = itemsize(from_);
    // Pieces of the origin end anywhere; blocks end between elements.
    Storage block = Storage::allocate(kBlockElements * size);
    Storage converted = Storage::allocate(kBlockElements * itemsize(to_));
    std::size_t filled = 0;
    std::uint64_t overflow = 0;
    const auto flush = [&](std::size_t elements) {
      throw_if_stop_requested();
      overflow += convert_block(block, converted, elements);
      piece({converted.data(), elements * itemsize(to_)});
      filled = 0;
    };
    origin_.stream([&](std::span<const std::byte> bytes) {
      while (!bytes.empty()) {
        const std::size_t n = std::min(bytes.size(), block.size() - filled);
        std::memcpy(block.mutable_data() + filled, bytes.data(), n);
        filled += n;
        bytes = bytes.subspan(n);
        if (filled == block.size()) flush(kBlockElements);
      }
    });
    if (filled >= size) flush(filled / size);
    *overflowed_ = overflow;  // not added: the storage may be read again
  }

 private:
  std::uint64_t convert_block(const Storage& block, Storage& converted, std::size_t elements) const {
    std::atomic<std::uint64_t> overflow{0};
    parallel_for(static_cast<std::int64_t>(elements), kGrain, [&](std::int64_t begin, std::int64_t end) {
      Geometry geometry = Geometry::contiguous(Shape{end - begin});
      geometry.offset = begin;
      const Array source(block, from_, geometry);
      Array target(converted, to_, geometry);
      target.copy_from(source);
      overflow += count_overflow(source.raw(), from_, target.raw(), to_, end - begin);
    });
    return overflow;
  }

  Storage origin_;
  DType from_;
  DType to_;
  std::shared_ptr<std::atomic<std::uint64_t>> overflowed_;
};

class Caster {
 public:
  Caster(DType dtype, const checkpoint::NamedLimits& limits, ConvertReport& report)
      : dtype_(dtype), limits_(limits), report_(report) {}

  Value cast(const Value& root) {
    const auto leaves = checkpoint::named_arrays(root, limits_);
    for (const checkpoint::NamedLeaf& leaf : leaves) {
      names_.try_emplace(leaf.value.id(), leaf.name);
      for (const Array* array : arrays_of(leaf.value)) uses_[array->storage().id()].insert(array->dtype());
    }
    Value out = image(root);
    while (!open_.empty()) {
      auto [old, fresh] = std::move(open_.back());
      open_.pop_back();
      fill(old, fresh);
    }
    return out;
  }

 private:
  static std::vector<const Array*> arrays_of(const Value& value) {
    if (value.is_array()) return {&value.as_array()};
    const SparseLeaf& leaf = value.as_sparse();
    return {&leaf.indices, &leaf.plain_indices, &leaf.values};
  }

  bool is_changed(const Array& array) const {
    return array.defined() && is_floating(array.dtype()) && array.dtype() != dtype_;
  }

  // What stands for `value` in the new tree; containers are filled later, so that they may be cyclic.
  Value image(const Value& value) {
    const auto known = images_.find(value.id());
    if (known != images_.end()) return known->second;
    Value out = value;
    if (value.is_dict()) {
      out = value.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
      open_.emplace_back(value, out);
    } else if (value.is_list() || value.is_tuple()) {
      out = value.is_list() ? Value::list() : Value::tuple();
      open_.emplace_back(value, out);
    } else if (value.is_array() && is_changed(value.as_array())) {
      TensorLeaf leaf = value.as_tensor();
      leaf.array = cast_array(leaf.array, names_[value.id()]);
      out = Value(std::move(leaf));
      for (const auto& [name, attribute] : value.attributes()) out.set_attribute(name, attribute);
      ++report_.cast;
    } else if (value.is_sparse() && is_changed(value.as_sparse().values)) {
      SparseLeaf leaf = value.as_sparse();
      leaf.values = cast_array(leaf.values, names_[value.id()]);
      out = Value(std::move(leaf));
      ++report_.cast;
    } else if (value.is_object() && !checkpoint::named_arrays(value, limits_).empty()) {
      report_.warnings.push_back(cat("tensors inside an object of class ", escaped(value.global_module()),
                                     ".", escaped(value.global_name()), " keep their dtype"));
    }
    images_.emplace(value.id(), out);
    return out;
  }

  void fill(const Value& old, Value& fresh) {
    if (!old.is_dict()) {
      for (const Value& element : old.elements()) fresh.append(image(element));
      return;
    }
    for (const auto& [key, element] : old.items()) fresh.set_item(key, image(element));
    for (const auto& [name, attribute] : old.attributes()) fresh.set_attribute(name, image(attribute));
  }

  Array cast_array(const Array& array, const std::string& name) {
    const auto [at, is_new] = storages_.try_emplace({array.storage().id(), array.dtype()});
    if (is_new) {
      const auto source = std::make_shared<CastSource>(array.storage(), array.dtype(), dtype_);
      const std::size_t elements = array.storage().size() / itemsize(array.dtype());
      at->second = Storage::deferred(elements * itemsize(dtype_), source);
      report_.casts.push_back({name, array.dtype(), source->overflowed()});
      if (uses_[array.storage().id()].size() > 1) {
        report_.warnings.push_back(
            cat("'", escaped(name), "' shares memory with tensors of another dtype and no longer does"));
      }
    }
    return Array(at->second, dtype_, array.geometry());
  }

  DType dtype_;
  checkpoint::NamedLimits limits_;
  ConvertReport& report_;
  std::unordered_map<const void*, std::string> names_;
  std::map<const void*, std::set<DType>> uses_;  // of a storage
  std::unordered_map<const void*, Value> images_;
  std::vector<std::pair<Value, Value>> open_;
  std::map<std::pair<const void*, DType>, Storage> storages_;
};

}  // namespace

Value cast_tree(const Value& root, DType dtype, const checkpoint::NamedLimits& limits,
                ConvertReport& report) {
  require(is_floating(dtype), ErrorCode::kInvalidArgument, "convert", "expected a floating dtype, found ",
          dtype);
  return Caster(dtype, limits, report).cast(root);
}

}  // namespace sconce::toolbox
