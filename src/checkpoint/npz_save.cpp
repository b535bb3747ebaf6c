#include <algorithm>

#include "checkpoint/array_passer.h"
#include "checkpoint/flat_tensors.h"
#include "checkpoint/npy_header.h"
#include "checkpoint/stored_tensor.h"
#include "checkpoint/writers.h"
#include "sconce/base/error.h"
#include "sconce/codec/zip_reader.h"
#include "sconce/codec/zip_writer.h"

namespace sconce::checkpoint {
namespace {

// numpy.savez's name for an array without one.
constexpr std::string_view kUnnamed = "arr_0";

// The same elements with the dimensions in the other order.
Array reversed(const Array& array) {
  Geometry geometry = array.geometry();
  std::reverse(geometry.shape.begin(), geometry.shape.end());
  std::reverse(geometry.strides.begin(), geometry.strides.end());
  return array.with_geometry(std::move(geometry));
}

// An array as numpy.save writes it: in column-major order where it lies so, else row-major.
class PlannedArray {
 public:
  explicit PlannedArray(const FlatTensor& tensor) : array_(tensor.array) {
    if (!is_in_torch(array_.dtype()))
      refuse_foreign(array_.dtype(), "npz", std::string(escaped(tensor.name)));
    const DTypeInfo& info = dtype_info(array_.dtype());
    require(!npy::dtype_code(info.dtype).empty(), ErrorCode::kUnsupported, "npz", "tensor '",
            escaped(tensor.name), "' has dtype ", info.name,
            ", which numpy does not have; convert it first ('sconce convert --dtype f32')");
    const bool is_fortran = !array_.is_contiguous() && reversed(array_).is_contiguous();
    header_ = npy::write_header(info.dtype, array_.shape(), is_fortran);
    if (is_fortran) array_ = reversed(array_);
  }

  std::uint64_t size() const { return header_.size() + array_.nbytes(); }

  void expect(ArrayPasser& passer) const { passer.expect(array_); }
  void write(ArrayPasser& passer, const StorageSource::Piece& write) const {
    write(header_);
    passer.pass(array_, write);
  }

 private:
  Array array_;
  std::vector<std::byte> header_;
};

class NpyFile : public PlannedFile {
 public:
  explicit NpyFile(PlannedArray array) : array_(std::move(array)) {}
  std::uint64_t size() const override { return array_.size(); }
  void write(ByteSink& sink) const override {
    ArrayPasser passer;
    array_.expect(passer);
    array_.write(passer, [&](std::span<const std::byte> bytes) { sink.write(bytes); });
  }

 private:
  PlannedArray array_;
};

constexpr zip::WriterOptions kZipOptions{.case_sensitive = true};

class NpzFile : public PlannedFile {
 public:
  void add(std::string record, PlannedArray array) {
    records_.emplace_back(std::move(record), std::move(array));
  }

  std::uint64_t size() const override {
    std::vector<zip::Record> sizes;
    for (const auto& [record, array] : records_) sizes.push_back({record, array.size()});
    return zip::archive_size(sizes, kZipOptions);
  }

  void write(ByteSink& sink) const override {
    zip::Writer writer(sink, kZipOptions);
    ArrayPasser passer;
    for (const auto& [record, array] : records_) array.expect(passer);
    for (const auto& [record, array] : records_) {
      writer.begin(record, array.size());
      array.write(passer, [&](std::span<const std::byte> bytes) { writer.write(bytes); });
      writer.end();
    }
    writer.finish();
  }

 private:
  std::vector<std::pair<std::string, PlannedArray>> records_;
};

std::vector<FlatTensor> tensors_of(const Value& value, const NamedLimits& limits, SaveReport& report) {
  std::vector<FlatTensor> tensors = flat_tensors(value, "npz", limits);
  note_other_leaves(value, "npz", limits, report);
  for (const auto& [first, other] : overlapping(tensors)) {
    report.warnings.push_back(cat("tensors ", escaped(tensors[first].name), " and ",
                                  escaped(tensors[other].name), " share memory and are written as copies"));
  }
  return tensors;
}

}  // namespace

std::unique_ptr<PlannedFile> plan_npy(const Value& value, const SaveOptions& options, const std::string&,
                                      SaveReport& report) {
  const std::vector<FlatTensor> tensors = tensors_of(value, options.walk, report);
  require(tensors.size() == 1, ErrorCode::kUnsupported, "npy", "an .npy file holds one array, not ",
          tensors.size(), "; write an .npz");
  return std::make_unique<NpyFile>(PlannedArray(tensors.front()));
}

std::unique_ptr<PlannedFile> plan_npz(const Value& value, const SaveOptions& options, const std::string&,
                                      SaveReport& report) {
  auto file = std::make_unique<NpzFile>();
  const std::vector<FlatTensor> tensors = tensors_of(value, options.walk, report);
  require(!tensors.empty(), ErrorCode::kUnsupported, "npz", "there is no tensor to write");
  for (const FlatTensor& tensor : tensors) {
    std::string record = cat(tensor.name.empty() ? kUnnamed : tensor.name, ".npy");
    try {
      zip::check_record_name(record);
    } catch (const Error& error) {
      fail(ErrorCode::kUnsupported, "npz", "tensor '", escaped(tensor.name),
           "' cannot be a record of a zip archive: ", error.text());
    }
    file->add(std::move(record), PlannedArray(tensor));
  }
  return file;
}

}  // namespace sconce::checkpoint
