#include "nn/data_option.h"

#include <filesystem>
#include <system_error>

#include "sconce/base/error.h"
#include "sconce/data/cifar10.h"
#include "sconce/data/synthetic_shapes.h"

namespace sconce::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSynthetic = "synthetic";
constexpr const char* kCifarFolder = "cifar-10-batches-bin";  // what CIFAR-10's own archive unpacks to

[[noreturn]] void fail_in(ErrorCode code, const std::string& path, const std::string& text) {
  throw Error(code, "data", text).in_file(path);
}

// The folder in which CIFAR-10's binary files lie: `name` itself or its own sub-folder.
fs::path cifar_folder(const std::string& name) {
  std::error_code error;
  for (const fs::path& folder : {fs::path(name), fs::path(name) / kCifarFolder}) {
    if (fs::exists(folder / "data_batch_1.bin", error) || fs::exists(folder / "test_batch.bin", error)) {
      return folder;
    }
  }
  if (!fs::exists(name, error)) {
    fail_in(ErrorCode::kNotFound, name,
            "no such folder; expected a folder with a data set, or 'synthetic' for the built-in one");
  }
  if (!fs::is_directory(name, error)) {
    fail_in(ErrorCode::kInvalidArgument, name, "expected a folder with a data set, found a file");
  }
  fail_in(ErrorCode::kUnsupported, name,
          "no data set found in this folder; expected CIFAR-10's data_batch_1.bin .. 5 and test_batch.bin");
}

}  // namespace

std::unique_ptr<data::Dataset> open_dataset(const std::string& name, data::Split split) {
  if (name == kSynthetic) return std::make_unique<data::SyntheticShapes>(split);
  return std::make_unique<data::Cifar10>(cifar_folder(name).string(), split);
}

bool has_test_split(const std::string& name) {
  std::error_code error;
  return name == kSynthetic || fs::exists(cifar_folder(name) / "test_batch.bin", error);
}

data::Transform picture_transform(const Shape& image, std::vector<double> mean, std::vector<double> std,
                                  bool augment) {
  constexpr std::int64_t kPadding = 4;
  const auto channels = static_cast<std::size_t>(image[0]);
  if (mean.size() == 1) mean.resize(channels, mean.front());
  if (std.size() == 1) std.resize(channels, std.front());
  require(mean.size() == channels && std.size() == channels, ErrorCode::kInvalidArgument, "data",
          "expected --mean and --std of 1 or ", channels, " numbers, found ", mean.size(), " and ",
          std.size());

  std::vector<data::Transform> steps;
  if (augment) {
    require(image[1] == image[2], ErrorCode::kUnsupported, "data", "--augment needs square pictures, found ",
            image.str());
    steps.push_back(data::random_crop(image[1], kPadding));
    steps.push_back(data::random_horizontal_flip());
  }
  steps.push_back(data::to_float());
  steps.push_back(data::normalize(std::move(mean), std::move(std)));
  return data::compose(std::move(steps));
}

}  // namespace sconce::cli
