// Small checkpoints of every format cut at every byte and with every bit flipped, large ones cut at random
// places: nothing but an Error leaves the library, and where the format has checksums no other value passes.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/temporary_folder.h"
#include "checkpoint/legacy_files.h"
#include "codec/codec_test_util.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"
#include "sconce/codec/zip_reader.h"
#include "sconce/codec/zip_writer.h"
#include "sconce/toolbox/same_value.h"
#include "sconce/toolbox/verify.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Format;
using checkpoint::Integrity;
using checkpoint::load;
using Bytes = std::vector<std::byte>;

Array random_array(std::mt19937_64& random, const Shape& shape, DType dtype) {
  Array array = Array::zeros(shape, dtype);
  for (std::byte& byte : std::span(array.mutable_raw(), array.nbytes()))
    byte = static_cast<std::byte>(random());
  return array;
}

Value checkpoint_value(std::mt19937_64& random, Format format, std::int64_t rows) {
  const Value weight = random_array(random, {rows, 3}, kFloat32);
  const Value bias = random_array(random, {5}, kUInt8);
  if (format == Format::kSafetensors || format == Format::kNpz) {
    return Value::dict({{"w", weight}, {"b", bias}});
  }
  return Value::dict({{"model", Value::dict({{"w", weight}, {"b", bias}, {"tied", weight}})}, {"step", 7}});
}

void write(const std::string& path, std::span<const std::byte> bytes) {
  std::remove(path.c_str());  // ext4 syncs a file that is truncated and written again
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  ASSERT_EQ(std::fclose(file), 0);
}

// How much of a file is needed: neither the newline at a text's end nor the zeros behind a tar are.
std::size_t needed_bytes(const std::string& file, std::span<const std::byte> whole) {
  const std::string_view text = as_chars(whole);
  if (file.ends_with(".tar")) return text.find_last_not_of('\0') + 1;
  return text.size() - (text.ends_with('\n') ? 1 : 0);
}

using Leaves = std::map<std::string, Value>;

Leaves leaves_of(const Value& value) {
  Leaves out;
  for (const checkpoint::NamedLeaf& leaf : checkpoint::named_arrays(value))
    out.emplace(leaf.name, leaf.value);
  return out;
}

// Salvage refuses, or gives back what was there.
template <class Input>
void expect_true_salvage(const Input& input, const Leaves& original) {
  try {
    for (const auto& [name, value] : leaves_of(checkpoint::salvage(input).value)) {
      ASSERT_TRUE(original.contains(name)) << name;
      ASSERT_TRUE(same_value(value, original.at(name))) << name;
    }
  } catch (const Error&) {
  }
}

class Damage : public TemporaryFolder {
 protected:
  // Puts `changed` in the place of `file` and loads the checkpoint. `has_checksum` tells whether the changed
  // bytes are under a checksum; without one, verify must not claim that they are right.
  void expect_noticed(const std::string& file, const Bytes& changed, const std::string& entry,
                      const Value& original, bool has_checksum) {
    const bool needs_path = file != entry || file.ends_with(".json");  // an index names other files
    if (needs_path) write(file, changed);
    try {
      const Value value = needs_path ? load(entry) : load(changed);
      if (same_value(value, original)) return;
    } catch (const Error&) {
      return;
    }
    ASSERT_FALSE(has_checksum) << "a different value passes";
    write(file, changed);
    const VerifyReport report = verify(entry);
    ASSERT_TRUE(report.is_damaged() || report.integrity != Integrity::kChecked) << "verify calls it checked";
  }

  // Everything that only reads. What load() refuses is damaged to verify, too, or refused for the same
  // reason: it is no checkpoint. Of a part of a set (`file`) that is no reason. `whole`: what was there;
  // under checksums no tensor of another value is ever read.
  static void list(const std::string& file, const std::string& entry, const Leaves* whole) {
    std::optional<ErrorCode> refused;
    std::optional<Value> now;
    try {
      now = load(entry);
    } catch (const Error& error) {
      refused = error.code();
    }
    expect_same_later(entry, now);
    std::optional<Leaves> leaves;
    if (now) leaves = leaves_of(*now);
    expect_same_listing(entry, leaves ? &*leaves : whole);
    if (HasFatalFailure()) return;
    try {
      const bool is_damaged = verify(entry).is_damaged();
      ASSERT_TRUE(is_damaged || !refused) << "verify passes what load() refuses";
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      ASSERT_EQ(refused, error.code());
      const bool is_set =
          entry.ends_with(".json") || std::filesystem::exists(std::filesystem::path(entry) / ".metadata");
      ASSERT_FALSE(is_set && file != entry) << "verify does not say which part is damaged";
    }
  }

  // As convert and merge read: tensors that are fetched when someone looks give what load() gives.
  static void expect_same_later(const std::string& entry, const std::optional<Value>& now) {
    std::optional<Value> later;
    try {
      later = load(entry, {.defer = true});
      for (const checkpoint::NamedLeaf& leaf : checkpoint::named_arrays(*later))
        static_cast<void>(leaf.value.as_array().raw());
    } catch (const Error&) {
      later = std::nullopt;
    }
    ASSERT_EQ(later.has_value(), now.has_value()) << "deferred reading and load() differ";
    if (now) {
      ASSERT_TRUE(same_value(*later, *now)) << "deferred reading gives another value";
    }
  }

  // As show and diff read: tensor by tensor, from the list. Those that can be read are the known ones.
  static void expect_same_listing(const std::string& entry, const Leaves* known) {
    std::optional<checkpoint::Listing> listing;
    try {
      listing = checkpoint::describe(entry);
    } catch (const Error&) {
      return;
    }
    for (std::size_t i = 0; i < listing->tensors.size(); ++i) {
      const std::string& name = listing->tensors[i].name;
      std::optional<Value> read;
      try {
        read = listing->read(i);
      } catch (const Error&) {
        continue;
      }
      if (known == nullptr) continue;
      ASSERT_TRUE(known->contains(name)) << name;
      // The list gives the numbers alone, also those of a storage by itself.
      ASSERT_TRUE(same_value(*read, known->at(name).as_array())) << name << " of the list is another tensor";
    }
  }

  void cut_everywhere(const std::string& file, const std::string& entry, bool has_checksum) {
    const Bytes whole = read_file(file);
    const Leaves original = leaves_of(load(entry));
    for (std::size_t size = 0; size < needed_bytes(file, whole); ++size) {
      SCOPED_TRACE(cat(file, " cut at byte ", size));
      write(file, std::span(whole).first(size));
      ASSERT_THROW(load(entry), Error);
      list(file, entry, has_checksum ? &original : nullptr);
      if (HasFatalFailure()) return;
    }
    write(file, whole);
  }

  void flip_everywhere(const std::string& file, const std::string& entry, bool has_checksum) {
    const Bytes whole = read_file(file);
    const Value original = load(entry);
    const Leaves leaves = leaves_of(original);
    Bytes changed = whole;
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
      SCOPED_TRACE(cat(file, " with bit ", bit, " flipped"));
      changed[bit / 8] ^= std::byte(1 << bit % 8);
      expect_noticed(file, changed, entry, original, has_checksum);
      if (HasFatalFailure()) return;
      if (bit % 8 == bit / 8 % 8) {
        write(file, changed);
        list(file, entry, has_checksum ? &leaves : nullptr);
        if (HasFatalFailure()) return;
      }
      changed[bit / 8] = whole[bit / 8];
    }
    write(file, whole);
  }

  void damage(const std::string& file, const std::string& entry, bool has_checksum) {
    cut_everywhere(file, entry, has_checksum);
    if (!HasFatalFailure()) flip_everywhere(file, entry, has_checksum);
  }

  std::string saved(const std::string& name, Format format, std::int64_t rows = 2) {
    std::mt19937_64 random(7);
    checkpoint::save(path(name), checkpoint_value(random, format, rows),
                     {.format = format, .durable = false});
    return path(name);
  }

  // A real archive of torch.jit.save without what only a debugger reads, and with a record of `padding` bytes
  // more.
  std::string script(const std::string& name, std::size_t padding) {
    const Bytes whole = testing::golden("formats/jit/jit_26.pt");
    const zip::Reader reader(std::make_shared<MemorySource>(whole));
    MemorySink sink;
    zip::Writer writer(sink);
    for (const zip::Entry& entry : reader.entries()) {
      if (!entry.name.ends_with(".debug_pkl")) writer.add(entry.name, reader.read(entry));
    }
    const std::string& first = reader.entries().front().name;
    if (padding > 0) writer.add(cat(first.substr(0, first.find('/')), "/extra/padding"), Bytes(padding));
    writer.finish();
    write(path(name), sink.bytes());
    return path(name);
  }

  // Cuts at 1,000 places where a byte is lost that something needs.
  void cut_at_random_places(const std::string& file, const std::string& entry) {
    const std::uint64_t seed = std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    const Bytes whole = read_file(file);
    const Leaves original = leaves_of(load(entry));
    std::uniform_int_distribution<std::size_t> place(0, needed_bytes(file, whole) - 1);
    for (int i = 0; i < 1000; ++i) {
      const std::size_t size = place(random);
      SCOPED_TRACE(cat(file, " cut at byte ", size, ", seed ", seed));
      if (file == entry) {
        ASSERT_THROW(load(std::span(whole).first(size)), Error);
        expect_true_salvage(std::span(whole).first(size), original);
      } else {
        write(file, std::span(whole).first(size));
        ASSERT_THROW(load(entry), Error);
        expect_true_salvage(entry, original);
      }
      if (HasFatalFailure()) return;
    }
    write(file, whole);
  }
};

TEST_F(Damage, TorchZip) {
  const std::string file = saved("net.pt", Format::kTorchZip);
  damage(file, file, true);
}

// Without the record that says so its numbers would turn around.
TEST_F(Damage, TorchZipInTheOtherByteOrder) {
  checkpoint::Records records = checkpoint::records_of(
      checkpoint::pickle_of([](pickle::Writer& out) { checkpoint::Tensor().write(out); }));
  records[1].second = "big";
  write(path("big.pt"), checkpoint::zip_of(records));
  damage(path("big.pt"), path("big.pt"), true);
}

TEST_F(Damage, TorchLegacy) {
  const std::string file = saved("net.pt", Format::kTorchLegacy);
  damage(file, file, false);
}

TEST_F(Damage, TorchScript) {
  const std::string file = script("script.pt", 0);
  damage(file, file, true);
}

TEST_F(Damage, TorchTar) {
  write(path("old.tar"), testing::golden("formats/legacy/old.tar"));
  damage(path("old.tar"), path("old.tar"), false);
}

TEST_F(Damage, Safetensors) {
  const std::string file = saved("net.safetensors", Format::kSafetensors);
  damage(file, file, false);
}

TEST_F(Damage, Npz) {
  const std::string file = saved("net.npz", Format::kNpz);
  damage(file, file, true);
}

TEST_F(Damage, Npy) {
  checkpoint::save(path("w.npy"), Value(Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3})), {.durable = false});
  damage(path("w.npy"), path("w.npy"), false);
}

TEST_F(Damage, PlainPickle) {
  write(path("plain.pkl"), testing::golden("legacy/data/plain2_213.pkl"));
  damage(path("plain.pkl"), path("plain.pkl"), false);
}

TEST_F(Damage, DeflatedTorchZip) {
  write(path("small.pt"), testing::golden("formats/zip/deflated_26.pt"));
  damage(path("small.pt"), path("small.pt"), true);
}

TEST_F(Damage, DcpMetadata) {
  const std::string entry = saved("ck", Format::kDcp);
  damage(cat(entry, "/.metadata"), entry, false);
}

TEST_F(Damage, DcpItems) {
  const std::string entry = saved("ck", Format::kDcp);
  damage(cat(entry, "/__0_0.distcp"), entry, true);
}

TEST_F(Damage, Index) {
  std::mt19937_64 random(7);
  const Value value = checkpoint_value(random, Format::kSafetensors, 2);
  checkpoint::save(path("net.safetensors"), value, {.durable = false, .shard_size = 24});
  for (const std::string& name : names()) {
    damage(path(name), path("net.safetensors.index.json"), false);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Damage, TorchIndex) {
  std::mt19937_64 random(7);
  const Value value =
      Value::dict({{"a", random_array(random, {2, 3}, kFloat32)}, {"b", random_array(random, {5}, kUInt8)}});
  checkpoint::save(path("net.pt"), value, {.durable = false, .shard_size = 24});
  ASSERT_EQ(names().size(), 3u);
  for (const std::string& name : names()) {
    damage(path(name), path("net.pt.index.json"), true);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Damage, OneFileOfAFolder) {
  const std::string file = saved("pytorch_model.bin", Format::kTorchZip);
  damage(file, path(""), true);
}

TEST_F(Damage, LargeFilesCutAtRandomPlaces) {
  for (const Format format : {Format::kTorchZip, Format::kTorchLegacy, Format::kSafetensors, Format::kNpz}) {
    SCOPED_TRACE(checkpoint::format_name(format));
    const std::string file = saved("large", format, 10'000);
    cut_at_random_places(file, file);
  }
}

TEST_F(Damage, LargeTarCutAtRandomPlaces) {
  constexpr std::int64_t kNumbers = 10'000;
  std::mt19937_64 random(7);
  const Array numbers = random_array(random, {kNumbers}, kFloat32);
  checkpoint::TarFile tar = checkpoint::tar_of({.sizes = {kNumbers}, .strides = {1}});
  const std::string bytes(reinterpret_cast<const char*>(numbers.raw()), numbers.nbytes());
  tar.storages =
      checkpoint::pickled(1) + checkpoint::tar_storage(1, bytes, kNumbers) + checkpoint::tar_views({});
  write(path("large.tar"), tar.bytes());
  ASSERT_EQ(load(path("large.tar")).as_array().numel(), kNumbers);
  cut_at_random_places(path("large.tar"), path("large.tar"));
}

TEST_F(Damage, LargeScriptCutAtRandomPlaces) {
  const std::string file = script("large.pt", std::size_t{200} << 10);
  cut_at_random_places(file, file);
}

TEST_F(Damage, LargeSetsCutAtRandomPlaces) {
  std::mt19937_64 random(7);
  Value many = Value::dict({{"big", random_array(random, {10'000, 3}, kFloat32)}});
  for (int i = 0; i < 100; ++i) many.set_item(cat("layer.", i), random_array(random, {4}, kFloat32));
  checkpoint::save(path("dcp"), many, {.format = Format::kDcp, .durable = false});
  checkpoint::save(path("net.safetensors"), many, {.durable = false, .shard_size = 60'000});
  checkpoint::save(path("net.pt"), many, {.durable = false, .shard_size = 60'000});
  for (const std::string& name : names()) {
    SCOPED_TRACE(name);
    if (name == "dcp") {
      for (const char* part : {".metadata", "__0_0.distcp"})
        cut_at_random_places(cat(path(name), "/", part), path(name));
    } else {
      const bool is_torch = name.find(".pt") != std::string::npos || name.find(".bin") != std::string::npos;
      cut_at_random_places(path(name), path(is_torch ? "net.pt.index.json" : "net.safetensors.index.json"));
    }
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sconce::toolbox
