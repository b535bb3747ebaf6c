#include "sconce/checkpoint/salvage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/saved.h"
#include "codec/codec_test_util.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Array random_array(std::mt19937_64& random, const Shape& shape, DType dtype) {
  Array out = Array::empty(shape, dtype);
  std::byte* bytes = out.mutable_raw();
  for (std::size_t i = 0; i < out.nbytes(); ++i) bytes[i] = static_cast<std::byte>(random());
  return out;
}

// A model, its optimizer and what else stands in a checkpoint: views, tied weights, an empty tensor, a list.
Value checkpoint_value(std::mt19937_64& random, std::int64_t scale) {
  Value model = Value::ordered_dict();
  model.set_item("a.weight", random_array(random, {scale, 3}, kFloat32));
  const Array tied = random_array(random, {2, scale}, kFloat64);
  model.set_item("b.weight", tied);
  model.set_item("b.tied", tied);
  model.set_item("b.view", tied.select(0, 1));
  model.set_item("empty", Array::empty({0, 4}));
  model.set_item("steps", Array::scalar(std::int64_t{12}));
  const Value state = Value::dict({{"momentum_buffer", random_array(random, {scale, 3}, kBFloat16)}});
  const Value group = Value::dict({{"lr", 0.1}, {"params", Value::list({0, 1})}});
  return Value::dict(
      {{"model", model},
       {"optimizer",
        Value::dict({{"state", Value::dict({{0, state}})}, {"param_groups", Value::list({group})}})},
       {"epoch", 7},
       {"list",
        Value::list({random_array(random, {5}, kUInt8), "text", random_array(random, {scale}, kInt16)})}});
}

using Arrays = std::map<std::string, Array>;

Arrays arrays_of(const Value& value) {
  Arrays out;
  for (const NamedLeaf& leaf : named_arrays(value)) out.emplace(leaf.name, leaf.value.as_array());
  return out;
}

std::set<std::string> names_of(const std::vector<SalvagedTensor>& tensors) {
  std::set<std::string> out;
  for (const SalvagedTensor& tensor : tensors) out.insert(tensor.name);
  return out;
}

// Every tensor that is given back is the one it was, the tree has those and no others, and none is passed
// over.
void expect_true(const Salvage& salvage, const Arrays& original) {
  const Arrays given = arrays_of(salvage.value);
  std::set<std::string> all = names_of(salvage.recovered);
  std::set<std::string> in_tree;
  for (const auto& [name, array] : given) in_tree.insert(name);
  ASSERT_EQ(in_tree, all);
  for (const auto& [name, array] : given) {
    ASSERT_TRUE(original.count(name) != 0 && array.same_bits(original.at(name))) << name;
  }
  for (const LostTensor& tensor : salvage.lost) {
    EXPECT_FALSE(tensor.reason.empty());
    ASSERT_TRUE(all.insert(tensor.name).second) << tensor.name;
  }
  ASSERT_EQ(all.size(), original.size());
}

// The tensors whose bytes end at or before `end`.
std::set<std::string> whole_before(const Listing& listing, std::uint64_t end) {
  std::set<std::string> out;
  for (const TensorInfo& tensor : listing.tensors) {
    if (tensor.storage_bytes == 0 || tensor.file_offset + tensor.storage_bytes <= end)
      out.insert(tensor.name);
  }
  return out;
}

std::uint64_t first_data(const Listing& listing) {
  std::uint64_t out = listing.file_size;
  for (const TensorInfo& tensor : listing.tensors) {
    if (tensor.storage_bytes > 0) out = std::min(out, tensor.file_offset);
  }
  return out;
}

void expect_cut_gives_what_is_before(const Bytes& bytes, std::size_t end, const Arrays& original,
                                     const Listing& listing, bool has_checksums) {
  SCOPED_TRACE(cat("cut at byte ", end, " of ", bytes.size()));
  try {
    const Salvage salvage = checkpoint::salvage(std::span(bytes).first(end));
    expect_true(salvage, original);
    const std::set<std::string> expected = whole_before(listing, end);
    ASSERT_EQ(names_of(salvage.recovered), expected);
    if (!has_checksums) return;
    for (const SalvagedTensor& tensor : salvage.recovered) {
      // The checksum of the last record before the cut may be behind it.
      const auto info =
          std::find_if(listing.tensors.begin(), listing.tensors.end(),
                       [&](const TensorInfo& candidate) { return candidate.name == tensor.name; });
      if (info->file_offset + info->storage_bytes + 8 <= end || info->storage_bytes == 0) {
        ASSERT_TRUE(tensor.is_checked) << tensor.name;
      }
    }
  } catch (const Error& error) {
    ASSERT_LT(end, first_data(listing)) << error.what();
  }
}

Bytes flipped(Bytes bytes, std::size_t bit) {
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  return bytes;
}

void expect_flip_costs_one_storage(const Bytes& bytes, std::size_t bit, const Arrays& original,
                                   const Listing& listing) {
  SCOPED_TRACE(cat("bit ", bit % 8, " of byte ", bit / 8, " of ", bytes.size()));
  const Bytes damaged = flipped(bytes, bit);
  try {
    const Salvage salvage = checkpoint::salvage(damaged);
    expect_true(salvage, original);
    std::set<std::size_t> lost;
    for (const LostTensor& tensor : salvage.lost) {
      for (const TensorInfo& info : listing.tensors) {
        if (info.name == tensor.name) lost.insert(info.storage);
      }
    }
    ASSERT_LE(lost.size(), 1u);
    for (const SalvagedTensor& tensor : salvage.recovered) ASSERT_TRUE(tensor.is_checked) << tensor.name;
  } catch (const Error& error) {
    // Only what says what the tensors are can take all of them along.
    ASSERT_LT(bit / 8, first_data(listing)) << error.what();
  }
}

std::uint64_t drawn_seed() {
  const std::uint64_t seed = std::random_device()();
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

TEST(Salvage, WholeFilesAreRecoveredWhole) {
  std::mt19937_64 random(1);
  const Value value = checkpoint_value(random, 4);
  const Bytes bytes = saved_bytes(value);
  const Salvage salvage = checkpoint::salvage(bytes);
  EXPECT_EQ(salvage.format, Format::kTorchZip);
  EXPECT_THAT(salvage.lost, IsEmpty());
  EXPECT_THAT(salvage.notes, IsEmpty());
  EXPECT_EQ(salvage.recovered.size(), 9u);
  for (const SalvagedTensor& tensor : salvage.recovered) EXPECT_TRUE(tensor.is_checked) << tensor.name;
  EXPECT_EQ(saved_bytes(salvage.value), bytes);
}

TEST(Salvage, ZipCutAtEveryByte) {
  std::mt19937_64 random(2);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4));
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t end = 0; end < bytes.size(); ++end) {
    expect_cut_gives_what_is_before(bytes, end, original, listing, true);
  }
}

TEST(Salvage, ZipWithEveryBitFlipped) {
  std::mt19937_64 random(3);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4));
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    expect_flip_costs_one_storage(bytes, bit, original, listing);
  }
}

TEST(Salvage, FilesOfPyTorchCutAtEveryByteAndFlippedAtEveryBit) {
  for (const char* name : {"w_17.pt", "w_113.pt", "w_26.pt", "sd_17.pt", "sd_113.pt", "sd_26.pt"}) {
    SCOPED_TRACE(name);
    const Bytes bytes = read_file(testing::golden_path(cat("formats/zip/", name)));
    const Arrays original = arrays_of(load(bytes));
    const Listing listing = describe(bytes);
    for (std::size_t end = 0; end < bytes.size(); ++end) {
      expect_cut_gives_what_is_before(bytes, end, original, listing, true);
    }
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      expect_flip_costs_one_storage(bytes, bit, original, listing);
    }
  }
}

TEST(Salvage, LargeZipAtRandomPlaces) {
  std::mt19937_64 random(drawn_seed());
  const Bytes bytes = saved_bytes(checkpoint_value(random, 5000));
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  std::uniform_int_distribution<std::size_t> place(0, 8 * bytes.size() - 1);
  for (int i = 0; i < 1000; ++i) {
    expect_cut_gives_what_is_before(bytes, place(random) / 8, original, listing, true);
    expect_flip_costs_one_storage(bytes, place(random), original, listing);
  }
}

// The storages of torch.jit.save stand before what names them: a cut costs all of them or none.
TEST(Salvage, TorchScriptCutAtEveryByteAndFlippedAtEveryByte) {
  for (const char* name : {"jit_113.pt", "jit_26.pt"}) {
    SCOPED_TRACE(name);
    const Bytes bytes = read_file(testing::golden_path(cat("formats/jit/", name)));
    const Arrays original = arrays_of(load(bytes));
    const Listing listing = describe(bytes);
    const std::size_t code = as_chars(bytes).find("code/__torch__");  // the record behind data.pkl
    std::size_t largest_error = 0;
    for (std::size_t end = 0; end < bytes.size(); ++end) {
      SCOPED_TRACE(end);
      try {
        const Salvage salvage = checkpoint::salvage(std::span(bytes).first(end));
        expect_true(salvage, original);
        EXPECT_EQ(salvage.format, Format::kTorchScript);
        // Within the record that tells the order of bytes that is unknown.
        const std::size_t order = as_chars(bytes).find("/byteorder");
        const std::size_t behind = as_chars(bytes).find("PK\x03\x04", order);
        const bool is_all = salvage.recovered.size() == original.size();
        ASSERT_TRUE(is_all || (end > order && end < behind && salvage.recovered.empty()));
        // Before it, it may have been another one.
        const bool knows_order = order != std::string_view::npos && end >= behind;
        for (const SalvagedTensor& tensor : salvage.recovered) ASSERT_EQ(tensor.is_checked, knows_order);
      } catch (const Error&) {
        largest_error = end;
      }
      const Bytes damaged = flipped(bytes, 8 * end + end % 8);
      try {
        const Salvage salvage = checkpoint::salvage(damaged);
        expect_true(salvage, original);
        ASSERT_LE(salvage.lost.size(), 1u);
        const bool is_unsure = std::any_of(salvage.notes.begin(), salvage.notes.end(), [](const auto& note) {
          return note.find("'byteorder' was not found") != std::string::npos;
        });
        for (const SalvagedTensor& tensor : salvage.recovered) ASSERT_NE(tensor.is_checked, is_unsure);
      } catch (const Error& error) {
        ASSERT_LT(end, code) << error.what();
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_LT(largest_error, code);
  }
}

TEST(Salvage, SafetensorsCutAtEveryByte) {
  std::mt19937_64 random(4);
  const Value value = Value::dict({{"a", random_array(random, {3, 2}, kFloat32)},
                                   {"b", random_array(random, {5}, kUInt8)},
                                   {"c", random_array(random, {2, 2}, kFloat64)}});
  const Bytes bytes = saved_bytes(value, {.format = Format::kSafetensors});
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t end = 0; end < bytes.size(); ++end) {
    expect_cut_gives_what_is_before(bytes, end, original, listing, false);
    if (end < first_data(listing)) continue;
    for (const SalvagedTensor& tensor : checkpoint::salvage(std::span(bytes).first(end)).recovered) {
      EXPECT_FALSE(tensor.is_checked);
    }
  }
}

TEST(Salvage, SafetensorsWithEveryBitFlippedIsNeverCalledChecked) {
  std::mt19937_64 random(5);
  const Bytes bytes = saved_bytes(
      Value::dict({{"a", random_array(random, {3}, kFloat32)}, {"b", random_array(random, {5}, kUInt8)}}),
      {.format = Format::kSafetensors});
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    try {
      for (const SalvagedTensor& tensor : checkpoint::salvage(flipped(bytes, bit)).recovered) {
        EXPECT_FALSE(tensor.is_checked);
      }
    } catch (const Error&) {
    }
  }
}

TEST(Salvage, SafetensorsWithADamagedHeaderGivesNothing) {
  Bytes bytes = saved_bytes(Value::dict({{"a", Array::zeros({3})}}), {.format = Format::kSafetensors});
  bytes[9] = std::byte{'!'};
  EXPECT_ERROR(checkpoint::salvage(bytes), ErrorCode::kCorrupt);
}

TEST(Salvage, DamagedPickleNamesNothing) {
  const Bytes good = file_of(Tensor());
  const std::string_view text = as_chars(good);
  Bytes damaged = good;
  damaged[text.find("_rebuild")] ^= std::byte{1};
  EXPECT_ERROR(checkpoint::salvage(damaged), ErrorCode::kChecksum);
  // Cut inside of it.
  EXPECT_ERROR(checkpoint::salvage(std::span(good).first(text.find("_rebuild"))), ErrorCode::kCorrupt);
}

TEST(Salvage, LostPlacesOfListsBecomeNone) {
  const Array first = Array::full({4}, 1);
  const Array second = Array::full({4}, 2);
  const Array third = Array::full({4}, 3);
  const Value value = Value::dict({{"list", Value::list({first, second, third})},
                                   {"tuple", Value::tuple({second, 5, third})},
                                   {"dict", Value::dict({{"second", second}, {"third", third}})}});
  Bytes bytes = saved_bytes(value);
  const Listing listing = describe(bytes);
  const auto lost = std::find_if(listing.tensors.begin(), listing.tensors.end(),
                                 [](const TensorInfo& tensor) { return tensor.name == "list.1"; });
  bytes[lost->file_offset] ^= std::byte{1};
  const Salvage salvage = checkpoint::salvage(bytes);
  EXPECT_TRUE(salvage.value.at("list").at(1).is_none());
  EXPECT_EQ(salvage.value.at("list").size(), 3u);
  EXPECT_TRUE(salvage.value.at("list").at(2).as_array().same_bits(third));
  EXPECT_TRUE(salvage.value.at("tuple").at(0).is_none());
  EXPECT_EQ(salvage.value.at("tuple").at(1).as_int(), 5);
  EXPECT_FALSE(salvage.value.at("dict").contains("second"));
  EXPECT_TRUE(salvage.value.at("dict").at("third").as_array().same_bits(third));
  std::vector<std::string> names;
  for (const LostTensor& tensor : salvage.lost) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("list.1", "tuple.0", "dict.second"));
}

TEST(Salvage, EverythingElseOfThePickleIsKept) {
  std::mt19937_64 random(6);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4));
  const std::size_t first = static_cast<std::size_t>(first_data(describe(bytes)));
  const Salvage salvage = checkpoint::salvage(std::span(bytes).first(first + 48));
  EXPECT_THAT(names_of(salvage.recovered), UnorderedElementsAre("model.a.weight", "model.empty"));
  EXPECT_EQ(salvage.value.at("epoch").as_int(), 7);
  EXPECT_EQ(salvage.value.at("list").at(1).as_string(), "text");
  EXPECT_EQ(salvage.value.at("optimizer").at("param_groups").at(0).at("lr").as_float(), 0.1);
  EXPECT_TRUE(salvage.value.at("model").is_ordered_dict());
}

// A record whose checksum is 0 is there, but nothing confirms it.
TEST(Salvage, RecordsWithoutChecksumAreUnchecked) {
  const Bytes bytes = read_file(testing::golden_path("formats/zip/nocrc.pt"));
  for (const std::size_t cut : {std::size_t{0}, std::size_t{60}}) {
    const Salvage salvage = checkpoint::salvage(std::span(bytes).first(bytes.size() - cut));
    ASSERT_EQ(salvage.recovered.size(), 1u);
    EXPECT_FALSE(salvage.recovered.front().is_checked);
    EXPECT_THAT(salvage.lost, IsEmpty());
  }
}

// A tensor may hold a whole archive, whose records must not be taken for those of the file around it.
TEST(Salvage, ArchivesInsideTensorsAreTensors) {
  const Array inner_array = Array::full({6}, 1);
  const Bytes inner = saved_bytes(Value::dict({{"x", Array::full({4}, 9)}, {"w", inner_array}}));
  const Array hidden = Array::from_bytes(inner, kUInt8, {static_cast<std::int64_t>(inner.size())});
  const Array true_array = Array::full({6}, 2);
  const Bytes bytes = saved_bytes(Value::dict({{"hidden", hidden}, {"w", true_array}}));
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t end = first_data(listing); end < bytes.size(); ++end) {
    expect_cut_gives_what_is_before(bytes, end, original, listing, true);
    // The header of the tensor that holds the archive is damaged as well.
    Bytes damaged(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(end));
    damaged[as_chars(bytes).find("archive/data/0") - 30] ^= std::byte{1};
    expect_true(checkpoint::salvage(damaged), original);
  }
}

// The bytes of a descriptor in the middle of a tensor, sizes and checksum right, end nothing.
TEST(Salvage, DescriptorsInsideTensorsEndNothing) {
  Bytes content(64);
  const std::string_view descriptor("PK\7\10\0\0\0\0\20\0\0\0\20\0\0\0", 16);
  std::copy(descriptor.begin(), descriptor.end(), reinterpret_cast<char*>(content.data()) + 16);
  const Array array = Array::from_bytes(content, kUInt8, {64});
  const Bytes bytes = saved_bytes(Value::dict({{"a", array}, {"b", Array::ones({3})}}));
  const Salvage salvage = checkpoint::salvage(std::span(bytes).first(bytes.size() - 100));
  expect_true(salvage, arrays_of(load(bytes)));
  EXPECT_EQ(salvage.recovered.size(), 2u);
}

// Two records of one name: which is meant nobody can tell.
TEST(Salvage, RecordsGivenTwiceAreLost) {
  MemorySink sink;
  for (const auto& half : {records_of(pickle_of([](pickle::Writer& out) { Tensor().write(out); })),
                           Records{{"t/data/0", std::string(24, 'x')}}}) {
    MemorySink part;
    zip::Writer writer(part, {.alignment = 1});
    for (const auto& [name, data] : half) writer.add(name, as_byte_span(data));
    sink.write(part.bytes());
  }
  const Salvage salvage = checkpoint::salvage(sink.bytes());
  EXPECT_EQ(salvage.lost.size(), 1u);
  EXPECT_THAT(salvage.recovered, IsEmpty());
}

// A description that lies is refused, not obeyed.
TEST(Salvage, LyingDescriptions) {
  Tensor outside;
  outside.sizes = {3, 3};
  EXPECT_ERROR(checkpoint::salvage(file_of(outside)), ErrorCode::kCorrupt);
  Tensor large;
  large.pid.numel = std::int64_t{1} << 40;
  const Salvage salvage = checkpoint::salvage(file_of(large));
  ASSERT_EQ(salvage.lost.size(), 1u);
  EXPECT_TRUE(salvage.value.is_none());
}

TEST(Salvage, LegacyCutAtEveryByte) {
  std::mt19937_64 random(8);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4), {.format = Format::kTorchLegacy});
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t end = 15; end < bytes.size(); ++end) {
    expect_cut_gives_what_is_before(bytes, end, original, listing, false);
  }
}

TEST(Salvage, LegacyWithEveryBitFlippedIsNeverCalledChecked) {
  std::mt19937_64 random(9);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4), {.format = Format::kTorchLegacy});
  const Arrays original = arrays_of(load(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    try {
      const Salvage salvage = checkpoint::salvage(flipped(bytes, bit));
      for (const SalvagedTensor& tensor : salvage.recovered) ASSERT_FALSE(tensor.is_checked) << bit;
      // A bit of the data, or of a number of elements, touches one storage.
      if (bit / 8 + 8 < first_data(listing)) continue;
      std::set<std::size_t> changed;
      const Arrays given = arrays_of(salvage.value);
      for (const TensorInfo& info : listing.tensors) {
        const auto found = given.find(info.name);
        if (found == given.end() || !found->second.same_bits(original.at(info.name)))
          changed.insert(info.storage);
      }
      ASSERT_LE(changed.size(), 1u) << bit;
    } catch (const Error& error) {
      ASSERT_LT(bit / 8 + 8, first_data(listing)) << error.what();
    }
  }
}

TEST(Salvage, PickledModulesBecomeTheirStateDicts) {
  for (const char* name : {"mod_113.pt", "mod_26.pt"}) {
    const Bytes bytes = read_file(testing::golden_path(cat("formats/zip/", name)));
    const Arrays original = arrays_of(load(bytes));
    const Listing listing = describe(bytes);
    for (std::size_t end = first_data(listing); end < bytes.size(); end += 7) {
      expect_cut_gives_what_is_before(bytes, end, original, listing, true);
    }
    EXPECT_TRUE(checkpoint::salvage(bytes).value.is_ordered_dict());
  }
}

class SalvageFiles : public TemporaryFolder {};

TEST_F(SalvageFiles, ShardsThatAreMissingOrCutCostTheirTensors) {
  std::mt19937_64 random(10);
  for (const Format format : {Format::kSafetensors, Format::kTorchZip}) {
    Value half[2] = {
        Value::dict({{"a", random_array(random, {6}, kFloat32)}, {"b", random_array(random, {2}, kInt64)}}),
        Value::dict({{"c", random_array(random, {3}, kFloat32)}})};
    const auto put = [&](const std::string& name, std::span<const std::byte> content) {
      AtomicFile file((folder_ / name).string());
      file.write(content);
      file.commit();
    };
    const std::string index = (folder_ / "model.index.json").string();
    put("model.index.json", as_byte_span(R"({"weight_map": {"a": "1.bin", "b": "1.bin", "c": "2.bin"}})"));
    put("1.bin", saved_bytes(half[0], {.format = format}));
    put("2.bin", saved_bytes(half[1], {.format = format}));
    EXPECT_THAT(names_of(checkpoint::salvage(index).recovered), UnorderedElementsAre("a", "b", "c"));
    std::filesystem::remove(folder_ / "2.bin");
    const Salvage without = checkpoint::salvage(index);
    EXPECT_THAT(names_of(without.recovered), UnorderedElementsAre("a", "b"));
    ASSERT_EQ(without.lost.size(), 1u);
    EXPECT_TRUE(without.value.at("a").as_array().same_bits(half[0].at("a").as_array()));
    EXPECT_TRUE(can_salvage(index));
    put("2.bin", saved_bytes(half[1], {.format = format}));
    Bytes cut = saved_bytes(half[0], {.format = format});
    const Listing listing = describe(cut);
    const auto last =
        std::max_element(listing.tensors.begin(), listing.tensors.end(),
                         [](const auto& a, const auto& b) { return a.file_offset < b.file_offset; });
    cut.resize(static_cast<std::size_t>(last->file_offset) + 1);
    put("1.bin", cut);
    const Salvage rest = checkpoint::salvage(index);
    EXPECT_EQ(rest.recovered.size(), 2u);
    ASSERT_EQ(rest.lost.size(), 1u);
    EXPECT_EQ(rest.lost.front().name, last->name);
    std::filesystem::remove(folder_ / "1.bin");
    std::filesystem::remove(folder_ / "2.bin");
    EXPECT_FALSE(can_salvage(index));
  }
}

TEST_F(SalvageFiles, FilesOfADistributedCheckpointThatAreDamagedCostTheirTensors) {
  std::mt19937_64 random(11);
  const Value value = Value::dict({{"a", random_array(random, {6}, kFloat32)},
                                   {"b", Value::dict({{"c", random_array(random, {3}, kFloat32)}})},
                                   {"n", 7}});
  const std::string path = (folder_ / "x").string();
  SaveOptions options;
  options.format = Format::kDcp;
  save(path, value, options);
  EXPECT_THAT(names_of(checkpoint::salvage(path).recovered), UnorderedElementsAre("a", "b.c"));
  const Listing listing = describe(path);
  for (const TensorInfo& tensor : listing.tensors) {
    if (tensor.name != "b.c") continue;
    Bytes content = read_file((folder_ / "x" / "__0_0.distcp").string());
    content.at(static_cast<std::size_t>(tensor.file_offset)) ^= std::byte{1};
    AtomicFile file((folder_ / "x" / "__0_0.distcp").string());
    file.write(content);
    file.commit();
  }
  const Salvage damaged = checkpoint::salvage(path);
  EXPECT_THAT(names_of(damaged.recovered), UnorderedElementsAre("a"));
  ASSERT_EQ(damaged.lost.size(), 1u);
  EXPECT_EQ(damaged.lost.front().name, "b.c");
  EXPECT_TRUE(damaged.value.at("a").as_array().same_bits(value.at("a").as_array()));
  EXPECT_EQ(damaged.value.at("n").as_int(), 7);
  EXPECT_TRUE(can_salvage(path));
  std::filesystem::remove(folder_ / "x" / "__0_0.distcp");
  EXPECT_THAT(checkpoint::salvage(path).recovered, IsEmpty());
  EXPECT_FALSE(can_salvage(path));
}

TEST_F(SalvageFiles, CanSalvageTellsWhetherItWouldHelp) {
  std::mt19937_64 random(7);
  const Bytes bytes = saved_bytes(checkpoint_value(random, 4));
  const std::string path = (folder_ / "x.pt").string();
  const auto helps = [&](std::span<const std::byte> content) {
    AtomicFile file(path);
    file.write(content);
    file.commit();
    return can_salvage(path);
  };
  const auto first = static_cast<std::size_t>(first_data(describe(bytes)));
  EXPECT_TRUE(helps(std::span(bytes).first(bytes.size() - 1)));
  EXPECT_TRUE(helps(std::span(bytes).first(first + 48)));
  EXPECT_FALSE(helps(std::span(bytes).first(first + 47)));
  EXPECT_FALSE(helps(std::span(bytes).first(20)));
  EXPECT_FALSE(helps({}));
  const Bytes tensors = saved_bytes(Value::dict({{"a", Array::zeros({3})}, {"b", Array::zeros({3})}}),
                                    {.format = Format::kSafetensors});
  EXPECT_TRUE(helps(std::span(tensors).first(tensors.size() - 1)));
  EXPECT_FALSE(helps(std::span(tensors).first(tensors.size() - 13)));
  EXPECT_FALSE(can_salvage((folder_ / "none.pt").string()));
}

}  // namespace
}  // namespace sconce::checkpoint
