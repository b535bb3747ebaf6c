// The data sets that --data names, and how their pictures reach a model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sconce/data/dataset.h"
#include "sconce/data/transforms.h"

namespace sconce::cli {

inline constexpr const char* kDataHelp = "'synthetic' (built in) or a folder with CIFAR-10's binary files";

// The pictures of `name`: "synthetic", or a folder, whose format is found from its content. Errors: kNotFound
// when there is no such folder or split in it, kUnsupported when it holds no data set that is known; as the
// data set's for damaged files.
std::unique_ptr<data::Dataset> open_dataset(const std::string& name, data::Split split);
// False when the folder `name` holds a data set without pictures for testing.
bool has_test_split(const std::string& name);

// x / 255, then mean and std per channel (one number stands for all); with `augment`, random crops (4 pixels
// of padding) and flips before it.
data::Transform picture_transform(const Shape& image, std::vector<double> mean, std::vector<double> std,
                                  bool augment);

}  // namespace sconce::cli
