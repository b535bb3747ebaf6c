#include "checkpoint/salvage_backend.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "checkpoint/sparse_check.h"
#include "checkpoint/trouble.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/recover.h"

namespace sconce::checkpoint {

Array SalvageBackend::make(const StoredTensor& tensor, const StorageInfo& storage) {
  const std::size_t word = dtype_info(tensor.dtype).word;
  const auto [at, fresh] = places_.try_emplace(tensor.storage);
  Place& place = at->second;
  if (fresh) {
    place.word = word;
    try {
      Bytes bytes = read(storage, word);
      place.storage = std::move(bytes.storage);
      place.is_checked = bytes.is_checked;
    } catch (const Error& error) {
      if (is_trouble(error)) throw;
      place.loss = error.text();
    }
  }
  if (!place.loss && needs_swap() && place.word != word) {
    place.storage = {};
    place.loss = "it has the other byte order and is used with elements of two sizes";
  }
  if (place.loss) return {};
  return resolve_lazy_bits(Array(place.storage, tensor.dtype, tensor.geometry), tensor.is_conj, tensor.is_neg,
                           options_.resolved_bytes);
}

const std::string* SalvageBackend::loss_of(std::size_t storage) const {
  const auto& loss = places_.at(storage).loss;
  return loss ? &*loss : nullptr;
}

namespace {

// Calls visit(value) once for everything that `root` leads to, in whatever circles.
template <class Visit>
void for_each_value(const Value& root, Visit visit) {
  std::vector<Value> open{root};
  std::unordered_set<const void*> seen{root.id()};
  while (!open.empty()) {
    Value value = std::move(open.back());
    open.pop_back();
    visit(value);
    for (Value& part : value.parts()) {
      if (seen.insert(part.id()).second) open.push_back(std::move(part));
    }
  }
}

}  // namespace

// A checksum proves the bytes, not that what was written was right.
std::string sparse_loss(const SparseLeaf& leaf) {
  try {
    const std::string fault = sparse_fault(leaf);
    return fault.empty() ? fault : cat("it points outside itself: ", fault);
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    return error.text();
  }
}

void sort_out(Salvage& out, const Value& root, const ValueReader& reader, const SalvageBackend& backend,
              bool is_description_checked, const NamedLimits& limits) {
  std::unordered_map<const void*, std::string> sparse_faults;  // empty: sound
  const auto loss_of = [&](const Value& value) -> const std::string* {
    for (const StoredPart& part : reader.parts_of(value)) {
      if (const std::string* loss = backend.loss_of(part.tensor.storage)) return loss;
    }
    if (!value.is_sparse()) return nullptr;
    const auto [known, fresh] = sparse_faults.try_emplace(value.id());
    if (fresh) known->second = sparse_loss(value.as_sparse());
    return known->second.empty() ? nullptr : &known->second;
  };
  std::unordered_set<const void*> named;
  for (const NamedLeaf& leaf : named_arrays(root, limits)) {
    named.insert(leaf.value.id());
    if (const std::string* loss = loss_of(leaf.value)) {
      out.lost.push_back({leaf.name, *loss});
      continue;
    }
    bool is_checked = is_description_checked;
    for (const StoredPart& part : reader.parts_of(leaf.value)) {
      is_checked = is_checked && backend.is_checked(part.tensor.storage);
    }
    out.recovered.push_back({leaf.name, is_checked});
  }
  std::unordered_set<const void*> lost;
  std::size_t nameless = 0;
  for_each_value(root, [&](const Value& value) {
    if (loss_of(value) == nullptr) return;
    lost.insert(value.id());
    nameless += named.count(value.id()) == 0 ? 1 : 0;
  });
  if (nameless > 0) {
    out.notes.push_back(cat(nameless, " tensors without a name (attributes of others) are lost, too"));
  }
  for_each_value(root, [&](Value& value) {
    value.drop_parts([&](const Value& part) { return lost.count(part.id()) != 0; });
  });
  if (lost.count(root.id()) != 0) {
    out.value = Value();
    return;
  }
  Recovery recovery = recover_modules(root, limits);
  for (std::string& note : recovery.notes) out.notes.push_back(std::move(note));
  out.value = std::move(recovery.value);
}

}  // namespace sconce::checkpoint
