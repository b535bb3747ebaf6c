// Builds the files of old PyTorch by hand, right ones and wrong ones: streams and tar archives.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/broken_files.h"
#include "codec/codec_test_util.h"
#include "codec/tar_files.h"
#include "sconce/base/byte_writer.h"

namespace sconce::checkpoint {

using Put = std::function<void(pickle::Writer&)>;

inline std::string little64(std::uint64_t value) {
  ByteWriter out;
  out.little(value);
  return std::string(as_chars(out.view()));
}

inline std::string floats(std::initializer_list<float> values) {
  std::string out;
  for (const float value : values) out += std::string(as_chars(std::as_bytes(std::span(&value, 1))));
  return out;
}

// A view as the last item of a storage id.
struct ViewPart {
  std::string key = "v";
  std::int64_t offset = 2;
  std::int64_t numel = 3;
};

// A storage id of a stream; the defaults fit the storage of LegacyFile.
struct LegacyPid {
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int64_t numel = 6;
  std::optional<ViewPart> view = {};
  std::string location = "cpu";

  void write(pickle::Writer& out) const {
    out.mark();
    out.text("storage");
    out.global("torch", type);
    out.text(key);
    out.text(location);
    out.integer(numel);
    if (view) {
      out.text(view->key);
      out.integer(view->offset);
      out.integer(view->numel);
      out.tuple(3);
    } else {
      out.none();
    }
    out.tuple(6);
    out.persid();
  }
};

// _rebuild_tensor(storage, offset, sizes, strides); the defaults are a matrix over the whole storage.
struct LegacyTensor {
  LegacyPid pid = {};
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};

  void write(pickle::Writer& out) const {
    out.global("torch._utils", "_rebuild_tensor");
    write_state(out);
    out.reduce();
  }
  // The tuple of the four arguments.
  void write_state(pickle::Writer& out) const {
    out.mark();
    pid.write(out);
    out.integer(offset);
    for (const auto* dims : {&sizes, &strides}) {
      out.mark();
      for (const std::int64_t dim : *dims) out.integer(dim);
      out.tuple(dims->size() > 3 ? dims->size() : 4);
    }
    out.tuple(4);
  }
};

// A stream in its parts; as it stands it holds `object` over one storage of six float32 numbers.
struct LegacyFile {
  Put object = [](pickle::Writer& out) { LegacyTensor().write(out); };
  Put magic = [](pickle::Writer& out) { out.big_integer(testing::from_hex("6cfc9c46f9206aa85019")); };
  Put version = [](pickle::Writer& out) { out.integer(1001); };
  Put system = [](pickle::Writer& out) { out.empty_dict(); };
  std::vector<std::string> keys = {"0"};
  std::optional<Put> key_list = {};  // instead of keys
  std::string data = little64(6) + floats({0, 1, 2, 3, 4, 5});

  std::string text() const {
    const Put list = key_list.value_or([this](pickle::Writer& out) {
      out.empty_list();
      for (const std::string& key : keys) {
        out.text(key);
        out.append();
      }
    });
    return pickle_of(magic) + pickle_of(version) + pickle_of(system) + pickle_of(object) + pickle_of(list) +
           data;
  }
  Bytes bytes() const { return testing::to_bytes(text()); }
};

inline LegacyFile legacy_of(const LegacyTensor& tensor) {
  LegacyFile file;
  file.object = [tensor](pickle::Writer& out) { tensor.write(out); };
  return file;
}

// The archive of 0.1 in its members; as it stands: {"w": matrix, "v": view of its storage's second row}.
struct TarFile {
  std::string storages;
  std::string tensors;
  std::string pickle;
  std::string more = "";  // members

  std::string text() const {
    return tar::member("sys_info", pickle_of([](pickle::Writer& out) { out.empty_dict(); })) +
           tar::member("pickle", pickle) + tar::member("tensors", tensors) +
           tar::member("storages", storages) + more + tar::kEnd;
  }
  Bytes bytes() const { return testing::to_bytes(text()); }
};

inline std::string pickled(std::int64_t value) {
  return pickle_of([value](pickle::Writer& out) { out.integer(value); });
}

// (key, location, class) and the numbers of a storage; without a location as alpha versions had it.
inline std::string tar_storage(std::int64_t key, const std::string& numbers, std::int64_t numel,
                               const std::string& type = "FloatStorage", bool has_location = true) {
  return pickle_of([&](pickle::Writer& out) {
           out.integer(key);
           if (has_location) out.text("cpu");
           out.global("torch", type);
           out.tuple(has_location ? 3 : 2);
         }) +
         little64(static_cast<std::uint64_t>(numel)) + numbers;
}

struct TarView {
  std::int64_t key = 0;
  std::int64_t root = 0;
  std::int64_t offset = 0;
  std::int64_t numel = 0;
};
inline std::string tar_views(const std::vector<TarView>& views) {
  return pickle_of([&](pickle::Writer& out) {
    out.empty_list();
    for (const TarView& view : views) {
      out.mark();
      for (const std::int64_t number : {view.key, view.root, view.offset, view.numel}) out.integer(number);
      out.tuple(4);
      out.append();
    }
  });
}

// (key, storage key, class), then rank, four bytes of anything, sizes, strides, offset.
struct TarTensor {
  std::int64_t key = 10;
  std::optional<std::int64_t> storage = 1;
  std::vector<std::int64_t> sizes = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};
  std::int64_t offset = 0;
  std::string type = "FloatTensor";
  std::uint64_t garbage = 0xDEADBEEF;
  bool is_alpha = false;
  std::optional<std::int32_t> rank = {};

  std::string text() const {
    const auto put_storage = [this](pickle::Writer& out) { storage ? out.integer(*storage) : out.none(); };
    std::string out = pickle_of([&](pickle::Writer& writer) {
      writer.integer(key);
      if (!is_alpha) put_storage(writer);
      writer.global("torch", type);
      if (is_alpha) put_storage(writer);
      writer.tuple(3);
    });
    const auto written = static_cast<std::uint32_t>(rank.value_or(static_cast<std::int32_t>(sizes.size())));
    out += little64(written | garbage << 32);
    for (const auto* dims : {&sizes, &strides}) {
      for (const std::int64_t dim : *dims) out += little64(static_cast<std::uint64_t>(dim));
    }
    return out + little64(static_cast<std::uint64_t>(offset));
  }
};

// A reference to a tensor or storage of the archive.
inline void tar_pid(pickle::Writer& out, std::int64_t key) {
  out.text(std::to_string(key));
  out.persid();
}

inline const std::string kTarNumbers = floats({0, 1, 2, 3, 4, 5});

// An archive whose pickle is the tensor itself.
inline TarFile tar_of(const TarTensor& tensor, std::vector<TarView> views = {}) {
  return {pickled(1) + tar_storage(1, kTarNumbers, 6) + tar_views(views), pickled(1) + tensor.text(),
          pickle_of([&](pickle::Writer& out) { tar_pid(out, tensor.key); })};
}

}  // namespace sconce::checkpoint
