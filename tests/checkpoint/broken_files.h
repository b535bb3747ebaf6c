// Builds torch files by hand, right ones and wrong ones.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sconce/base/byte_reader.h"
#include "sconce/codec/pickle_writer.h"
#include "sconce/codec/zip_writer.h"

namespace sconce::checkpoint {

using Bytes = std::vector<std::byte>;
using Records = std::vector<std::pair<std::string, std::string>>;

inline Bytes zip_of(const Records& records) {
  MemorySink sink;
  zip::Writer writer(sink);
  for (const auto& [name, data] : records) writer.add(name, as_byte_span(data));
  writer.finish();
  return sink.bytes();
}

// A pickle of protocol 2 with what `body` writes.
inline std::string pickle_of(const std::function<void(pickle::Writer&)>& body) {
  pickle::Writer out;
  out.proto();
  body(out);
  out.stop();
  return std::string(as_chars(out.take()));
}

// torch.save's records around a pickle, with six float32 numbers as data/0.
inline Records records_of(std::string pickle) {
  std::string numbers;
  for (const float number : {0.F, 1.F, 2.F, 3.F, 4.F, 5.F}) {
    numbers += std::string(as_chars(std::as_bytes(std::span(&number, 1))));
  }
  return {{"t/data.pkl", std::move(pickle)},
          {"t/byteorder", "little"},
          {"t/data/0", numbers},
          {"t/version", "3\n"}};
}

// A storage id; the defaults fit data/0.
struct Pid {
  std::string word = "storage";
  std::string module = "torch";
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int64_t numel = 6;
  std::size_t items = 5;

  void write(pickle::Writer& out) const {
    out.mark();
    out.text(word);
    out.global(module, type);
    out.text(key);
    if (items > 4) out.text("cpu");
    out.integer(numel);
    if (items > 5) out.none();
    out.tuple(7);
    out.persid();
  }
};

// _rebuild_tensor_v2; the defaults are the matrix of data/0.
struct Tensor {
  Pid pid = {};
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};
  std::string function = "_rebuild_tensor_v2";
  std::function<void(pickle::Writer&)> requires_grad = [](pickle::Writer& out) { out.boolean(false); };
  std::function<void(pickle::Writer&)> more = [](pickle::Writer&) {};  // arguments after the hooks

  void write(pickle::Writer& out) const {
    out.global("torch._utils", function);
    out.mark();
    pid.write(out);
    out.integer(offset);
    for (const auto* dims : {&sizes, &strides}) {
      out.mark();
      for (const std::int64_t dim : *dims) out.integer(dim);
      out.tuple(7);
    }
    requires_grad(out);
    out.none();
    more(out);
    out.tuple(7);
    out.reduce();
  }
};

inline Bytes file_of(const std::function<void(pickle::Writer&)>& body) {
  return zip_of(records_of(pickle_of(body)));
}
inline Bytes file_of(const Tensor& tensor) {
  return file_of([&](pickle::Writer& out) { tensor.write(out); });
}

}  // namespace sconce::checkpoint
