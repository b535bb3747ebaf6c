#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/legacy_files.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/codec/sha256.h"
#include "support/mapped.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<ErrorCode> code(const LegacyFile& file, const LoadOptions& options = {}) {
  const auto loaded = testing::error_of([&] { load(file.bytes(), options); });
  EXPECT_EQ(testing::error_of([&] { describe(file.bytes(), options); }), loaded);
  return loaded;
}
std::optional<ErrorCode> code(const LegacyTensor& tensor) { return code(legacy_of(tensor)); }

std::string digest(const Array& array) {
  std::vector<std::byte> bytes(array.nbytes());
  copy_to_contiguous(array, bytes);
  return sha256_hex(bytes);
}

std::string joined(const Dims& dims) {
  std::string out;
  for (const std::int64_t dim : dims) out += cat(out.empty() ? "" : ",", dim);
  return out;
}

// Every tensor of every file that tests/golden/legacy/make.py made.
TEST(LegacyStream, FilesOfPyTorch) {
  std::istringstream expected(std::string(as_chars(testing::golden("legacy/data/expected.txt"))));
  std::string file;
  std::optional<Listing> listing;
  std::size_t next = 0;
  std::size_t count = 0;
  for (std::string line; std::getline(expected, line); ++count) {
    std::vector<std::string> fields;
    std::istringstream parts(line);
    for (std::string field; std::getline(parts, field, '\t');) fields.push_back(field);
    ASSERT_EQ(fields.size(), 7u) << line;
    if (fields[0] != file) {
      EXPECT_EQ(next, listing ? listing->tensors.size() : 0) << file;
      file = fields[0];
      listing = describe(testing::golden_path(cat("legacy/data/", file)));
      EXPECT_EQ(listing->format, Format::kTorchLegacy);
      next = 0;
    }
    // Lines are sorted by name, tensors stand in the order of the file.
    const auto found = std::find_if(listing->tensors.begin(), listing->tensors.end(),
                                    [&](const TensorInfo& info) { return info.name == fields[1]; });
    ASSERT_NE(found, listing->tensors.end()) << line;
    ++next;
    EXPECT_EQ(dtype_name(found->dtype), fields[2]) << line;
    EXPECT_EQ(joined(found->geometry.shape), fields[3]) << line;
    EXPECT_EQ(joined(found->geometry.strides), fields[4]) << line;
    EXPECT_EQ(found->requires_grad, fields[5] == "True") << line;
    EXPECT_FALSE(found->has_checksum);
    const auto index = static_cast<std::size_t>(found - listing->tensors.begin());
    EXPECT_EQ(digest(listing->read(index)), fields[6]) << line;
  }
  EXPECT_GT(count, 100u);
}

TEST(LegacyStream, LoadedTensorsShareAsTheyDid) {
  for (const char* name : {"legacy/data/views_113.pt", "legacy/data/views_213.pt"}) {
    const Value value = load(testing::golden_path(name));
    const Storage base = value.at("base").as_array().storage();
    for (const char* view : {"transposed", "row", "column", "step"}) {
      EXPECT_EQ(value.at(view).as_array().storage(), base) << view;
    }
    EXPECT_FALSE(value.at("scalar").as_array().storage() == base);
    EXPECT_TRUE(value.at("tied").at(0).is(value.at("tied").at(1)));
    EXPECT_TRUE(value.at("parameter").as_tensor().is_parameter);
  }
}

TEST(LegacyStream, StatesOfTraining) {
  const Value value = load(testing::golden_path("legacy/data/training_113.pt"));
  EXPECT_EQ(value.at("epoch").as_int(), 3);
  EXPECT_TRUE(value.at("model").is_ordered_dict());
  EXPECT_TRUE(value.at("model").attribute("_metadata").has_value());
  EXPECT_TRUE(value.at("optimizer").at("state").at(0).at("momentum_buffer").is_array());
}

TEST(LegacyStream, FixturesOfOtherVersions) {
  for (const char* name : {"w_17_leg.pt", "w_113_leg.pt", "w_26_leg.pt"}) {
    const Array w = load(testing::golden_path(cat("formats/legacy/", name))).at("w").as_array();
    EXPECT_EQ(w.shape(), (Shape{2, 3}));
    EXPECT_THAT(w.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

// Protocol 0 spells a storage id as text that nobody can read back, PyTorch neither.
TEST(LegacyStream, ProtocolZeroIsRefused) {
  for (const char* name : {"protocol0_113.pt", "protocol0_213.pt"}) {
    EXPECT_ERROR(load(testing::golden_path(cat("legacy/data/", name))), ErrorCode::kUnsupported);
  }
}

class LegacyStreamFile : public TemporaryFolder {};

TEST_F(LegacyStreamFile, RealCheckpoint) {
  const char* folder = std::getenv("SCONCE_DATA");
  const std::string data = folder != nullptr ? folder : cat(SCONCE_SOURCE_DIR, "/../shared/data");
  const std::string name = cat(data, "/resnet20-12fca82f.th");
  if (!std::filesystem::exists(name)) GTEST_SKIP() << name << " is missing; SCONCE_DATA names its folder";
  const Listing listing = describe(name);
  EXPECT_EQ(listing.format, Format::kTorchLegacy);
  ASSERT_EQ(listing.tensors.size(), 97u);
  EXPECT_EQ(listing.tensors[0].name, "state_dict.module.conv1.weight");
  EXPECT_EQ(listing.tensors[0].device, "cuda:0");
  EXPECT_TRUE(listing.notes.empty());
  const Value value = load(name);
  std::int64_t elements = 0;
  for (const auto& [key, tensor] : value.at("state_dict").items()) {
    ASSERT_TRUE(tensor.is_array());
    elements += tensor.as_array().numel();
  }
  EXPECT_EQ(elements, 271'098);
  EXPECT_NEAR(value.at("best_prec1").as_float(), 91.7, 1);
}

TEST_F(LegacyStreamFile, ListingTouchesNoStorage) {
  constexpr std::uint64_t kBytes = std::uint64_t{8} << 30;
  LegacyTensor tensor;
  tensor.pid.numel = kBytes / 4;
  tensor.sizes = {kBytes / 4};
  tensor.strides = {1};
  LegacyFile file = legacy_of(tensor);
  file.data = little64(kBytes / 4);
  const std::string head = file.text();
  put("large.pt", head);
  std::filesystem::resize_file(path("large.pt"), head.size() + kBytes);  // a hole
  const Listing listing = describe(path("large.pt"));
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.tensors[0].file_offset, head.size());
  EXPECT_EQ(listing.tensors[0].storage_bytes, kBytes);
  std::filesystem::resize_file(path("large.pt"), head.size() + kBytes - 1);
  EXPECT_ERROR(describe(path("large.pt")), ErrorCode::kTruncated);
}

TEST_F(LegacyStreamFile, MappedWhereAligned) {
  int mapped = 0;
  for (std::size_t n = 0; n < 8; ++n) {
    LegacyFile file;
    file.system = [n](pickle::Writer& out) { out.text(std::string(n, 'x')); };  // moves the storage
    const std::string text = file.text();
    put("a.pt", text);
    LoadOptions options;
    options.map = true;
    Array array = load(path("a.pt"), options).as_array();
    EXPECT_THAT(array.to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
    const bool is_aligned = (text.size() - 24) % 4 == 0;
    EXPECT_EQ(test::resident_in_map(path("a.pt"), array.raw()).has_value(), is_aligned);
    array.fill(7);  // memory only
    EXPECT_EQ(get("a.pt"), text);
    mapped += is_aligned ? 1 : 0;
  }
  EXPECT_EQ(mapped, 2);
}

TEST(LegacyStream, HandMade) {
  const Listing listing = describe(LegacyFile().bytes());
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.tensors[0].name, "");
  EXPECT_EQ(listing.tensors[0].device, "cpu");
  EXPECT_EQ(listing.pickles.size(), 5u);
  EXPECT_TRUE(listing.notes.empty());
  EXPECT_THAT(load(LegacyFile().bytes()).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
}

// formats.md D.1: elements [2, 5) of the root under a key of their own.
TEST(LegacyStream, ViewsOfStorages) {
  LegacyTensor whole;
  LegacyTensor view{.pid = {.view = ViewPart{}}, .sizes = {2}, .strides = {1}};
  view.offset = 1;
  LegacyFile file;
  file.object = [&](pickle::Writer& out) {
    out.mark();
    view.write(out);
    whole.write(out);
    view.pid.write(out);
    out.tuple(4);
  };
  const Value value = load(file.bytes());
  EXPECT_THAT(value.at(0).as_array().to_vector<float>(), ElementsAre(3, 4));
  EXPECT_EQ(value.at(0).as_array().storage(), value.at(1).as_array().storage());
  EXPECT_THAT(value.at(2).as_array().to_vector<float>(), ElementsAre(2, 3, 4));  // a storage by itself
  const auto bytes = file.bytes();
  const Listing listing = describe(bytes);
  EXPECT_EQ(listing.tensors.at(1).alias_of, 0u);
  EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(3, 4));

  const auto view_code = [](ViewPart part, std::int64_t size = 2) {
    return code(LegacyTensor{.pid = {.view = part}, .sizes = {size}, .strides = {1}});
  };
  EXPECT_EQ(view_code({}), std::nullopt);
  EXPECT_EQ(view_code({.offset = 0, .numel = 6}), std::nullopt);
  EXPECT_EQ(view_code({.offset = 0, .numel = 7}), ErrorCode::kCorrupt);
  EXPECT_EQ(view_code({.offset = 4, .numel = 3}), ErrorCode::kCorrupt);
  EXPECT_EQ(view_code({.offset = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(view_code({.numel = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(view_code({.offset = INT64_MAX, .numel = INT64_MAX}), ErrorCode::kCorrupt);
  EXPECT_EQ(view_code({}, 4), ErrorCode::kCorrupt);         // within the root, beyond the view
  EXPECT_EQ(view_code({.key = "0"}), ErrorCode::kCorrupt);  // a view under the key of its root
  LegacyFile twice;
  twice.object = [](pickle::Writer& out) {
    out.mark();
    LegacyPid{.view = ViewPart{}}.write(out);
    LegacyPid{.view = ViewPart{.offset = 1}}.write(out);
    out.tuple(4);
  };
  EXPECT_EQ(code(twice), ErrorCode::kCorrupt);
}

// formats.md D.1, the table of damage.
TEST(LegacyStream, PartsThatContradictEachOther) {
  const auto with = [](auto change) {
    LegacyFile file;
    change(file);
    return code(file);
  };
  EXPECT_EQ(with([](LegacyFile&) {}), std::nullopt);
  // a storage that is missing, unknown, or listed twice
  EXPECT_EQ(with([](LegacyFile& f) { f.keys = {}; }), ErrorCode::kNotFound);
  EXPECT_EQ(with([](LegacyFile& f) { f.keys = {"1"}; }), ErrorCode::kCorrupt);
  EXPECT_EQ(with([](LegacyFile& f) {
              f.keys = {"0", "0"};
              f.data += f.data;
            }),
            ErrorCode::kCorrupt);
  // numbers of elements
  EXPECT_EQ(with([](LegacyFile& f) { f.data = little64(5) + f.data.substr(8); }), ErrorCode::kCorrupt);
  EXPECT_EQ(with([](LegacyFile& f) { f.data = little64(~std::uint64_t{0}) + f.data.substr(8); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.pid = {.numel = 7}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.pid = {.numel = -1}}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.pid = {.numel = INT64_MAX}}), ErrorCode::kOverflow);
  // the end
  EXPECT_EQ(with([](LegacyFile& f) { f.data.pop_back(); }), ErrorCode::kTruncated);
  EXPECT_EQ(with([](LegacyFile& f) { f.data.resize(7); }), ErrorCode::kTruncated);
  EXPECT_EQ(with([](LegacyFile& f) { f.data = ""; }), ErrorCode::kTruncated);
  // one key, two descriptions
  for (const LegacyPid& other : {LegacyPid{.type = "IntStorage"}, LegacyPid{.numel = 5}}) {
    EXPECT_EQ(with([&](LegacyFile& f) {
                f.object = [&](pickle::Writer& out) {
                  out.mark();
                  LegacyTensor().write(out);
                  other.write(out);
                  out.tuple(4);
                };
              }),
              ErrorCode::kCorrupt);
  }
  // tensors outside of their storage
  EXPECT_EQ(code(LegacyTensor{.offset = 1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.offset = -1}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.strides = {-3, 1}}), ErrorCode::kCorrupt);
  // magic number and version
  EXPECT_EQ(with([](LegacyFile& f) {
              f.magic = [](pickle::Writer& out) {
                out.big_integer(testing::from_hex("6cfc9c46f9206aa85019"));
                out.tuple(1);
              };
            }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](LegacyFile& f) { f.version = [](pickle::Writer& out) { out.integer(1000); }; }),
            ErrorCode::kUnsupported);
  EXPECT_EQ(with([](LegacyFile& f) { f.version = [](pickle::Writer& out) { out.text("1001"); }; }),
            ErrorCode::kCorrupt);
  // the list of storages
  EXPECT_EQ(with([](LegacyFile& f) { f.key_list = [](pickle::Writer& out) { out.text("0"); }; }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(with([](LegacyFile& f) {
              f.key_list = [](pickle::Writer& out) {
                out.empty_list();
                out.none();
                out.append();
              };
            }),
            ErrorCode::kCorrupt);
}

TEST(LegacyStream, StorageIds) {
  const auto pid_code = [](const Put& pid) {
    LegacyFile file;
    file.object = [&](pickle::Writer& out) {
      pid(out);
      out.persid();
    };
    return code(file);
  };
  // five items, as zip archives have it
  EXPECT_EQ(code([] {
              LegacyFile file;
              file.object = [](pickle::Writer& out) { Tensor().write(out); };
              return file;
            }()),
            ErrorCode::kCorrupt);
  EXPECT_EQ(pid_code([](pickle::Writer& out) { out.text("0"); }), ErrorCode::kUnsupported);  // protocol 0
  EXPECT_EQ(pid_code([](pickle::Writer& out) { out.empty_list(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(pid_code([](pickle::Writer& out) { out.none(); }), ErrorCode::kCorrupt);
  const auto view = [](const Put& last) {
    return [last](pickle::Writer& out) {
      out.mark();
      out.text("storage");
      out.global("torch", "FloatStorage");
      out.text("0");
      out.text("cpu");
      out.integer(6);
      last(out);
      out.tuple(6);
    };
  };
  EXPECT_EQ(pid_code(view([](pickle::Writer& out) { out.none(); })), std::nullopt);
  EXPECT_EQ(pid_code(view([](pickle::Writer& out) { out.integer(1); })), ErrorCode::kCorrupt);
  EXPECT_EQ(pid_code(view([](pickle::Writer& out) { out.empty_tuple(); })), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyTensor{.pid = {.type = "NoStorage"}}), ErrorCode::kCorrupt);
  // no view of a storage without a type
  EXPECT_EQ(code(LegacyTensor{.pid = {.type = "UntypedStorage", .numel = 24, .view = ViewPart{}}}),
            ErrorCode::kCorrupt);
}

// A class saved with its source is the class; the source is nobody's business.
TEST(LegacyStream, ClassesWithTheirSource) {
  LegacyFile file;
  file.object = [](pickle::Writer& out) {
    out.mark();
    out.text("module");
    out.global("my.net", "Net");
    out.text("/secret/net.py");
    out.text("class Net: \x1b[31m");
    out.tuple(4);
    out.persid();
    out.empty_tuple();
    out.newobj();
    out.empty_dict();
    out.text("weight");
    LegacyTensor().write(out);
    out.setitem();
    out.build();
  };
  const Value value = load(file.bytes());
  ASSERT_TRUE(value.is_object());
  EXPECT_EQ(value.global_module(), "my.net");
  EXPECT_EQ(value.global_name(), "Net");
  const Listing listing = describe(file.bytes());
  ASSERT_EQ(listing.globals.size(), 3u);
  EXPECT_EQ(listing.globals[0].name, "Net");
  EXPECT_EQ(listing.tensors.at(0).name, "weight");
  for (const NamedLeaf& leaf : named_scalars(listing.tree)) EXPECT_FALSE(leaf.value.is_string()) << leaf.name;
  // not a storage, and not without a class
  const auto module_code = [](const Put& cls, bool as_storage) {
    LegacyFile broken;
    broken.object = [&](pickle::Writer& out) {
      if (as_storage) {
        out.global("torch._utils", "_rebuild_tensor");
        out.mark();
      }
      out.mark();
      out.text("module");
      cls(out);
      out.none();
      out.none();
      out.tuple(4);
      out.persid();
      if (as_storage) {
        out.integer(0);
        out.empty_tuple();
        out.empty_tuple();
        out.tuple(4);
        out.reduce();
      }
    };
    broken.keys = {};
    broken.data = "";
    return code(broken);
  };
  const Put net = [](pickle::Writer& out) { out.global("my.net", "Net"); };
  EXPECT_EQ(module_code(net, false), std::nullopt);
  EXPECT_EQ(module_code(net, true), ErrorCode::kCorrupt);
  EXPECT_EQ(module_code([](pickle::Writer& out) { out.text("Net"); }, false), ErrorCode::kCorrupt);
}

TEST(LegacyStream, BytesBehindTheEndAreNoted) {
  LegacyFile file;
  file.data += "more";
  EXPECT_EQ(code(file), std::nullopt);
  EXPECT_THAT(describe(file.bytes()).notes, ElementsAre(HasSubstr("4 bytes behind")));
  EXPECT_EQ(code(file, {.refuse_trailing = true}), ErrorCode::kCorrupt);
  EXPECT_EQ(code(LegacyFile(), {.refuse_trailing = true}), std::nullopt);
}

TEST(LegacyStream, Limits) {
  LoadOptions options;
  options.pickle_bytes = 20;
  EXPECT_EQ(code(LegacyFile(), options), ErrorCode::kLimit);
  options = {};
  options.pickle.opcodes = 5;
  EXPECT_EQ(code(LegacyFile(), options), ErrorCode::kLimit);
}

// A pickle that is longer than the first piece that is read of it.
TEST(LegacyStream, LongPickles) {
  for (const std::size_t n : {3900u, 4096u, 20'000u, 100'000u}) {
    LegacyFile file;
    file.object = [n](pickle::Writer& out) {
      out.text(std::string(n, 'x'));
      LegacyTensor().write(out);
      out.tuple(2);
    };
    const Value value = load(file.bytes());
    EXPECT_EQ(value.at(0).as_string().size(), n);
    EXPECT_THAT(value.at(1).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

// A cut is always found. There are no checksums, so a flipped bit may change numbers and names, but what is
// loaded is in order: every tensor lies within its storage.
TEST(LegacyStream, Damage) {
  const Bytes good = LegacyFile().bytes();
  for (std::size_t n = 0; n < good.size(); ++n) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_TRUE(testing::error_of([&] { load(cut); }).has_value()) << n;
    EXPECT_TRUE(testing::error_of([&] { describe(cut); }).has_value()) << n;
  }
  int refused = 0;
  testing::for_each_damage(good, [&](const Bytes& damaged) {
    try {
      const Listing listing = describe(damaged);
      const Value value = load(damaged);
      for (std::size_t i = 0; i < listing.tensors.size(); ++i) {
        const TensorInfo& info = listing.tensors[i];
        EXPECT_LE(info.geometry.required_elements() * static_cast<std::int64_t>(itemsize(info.dtype)),
                  static_cast<std::int64_t>(info.storage_bytes));
        EXPECT_LE(info.file_offset + info.storage_bytes, damaged.size());
        listing.read(i);
      }
    } catch (const Error&) {
      ++refused;
    }
  });
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace sconce::checkpoint
