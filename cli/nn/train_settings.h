// The settings of a training run: options of the command line, and what a checkpoint remembers of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/program.h"
#include "nn/data_option.h"
#include "sconce/state/value.h"

namespace sconce::cli {

struct TrainSettings {
  std::string arch = "lenet";
  std::string data = "synthetic";
  std::int64_t epochs = 2;
  std::optional<std::int64_t> steps;
  std::int64_t batch_size = 4;
  std::string optimizer = "sgd";
  double lr = 0.001;
  double momentum = 0.9;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  std::string scheduler = "none";
  std::int64_t step_size = 30;
  double gamma = 0.1;
  std::int64_t seed = 0;
  std::int64_t threads = 0;  // 0: as many as the machine has
  std::int64_t log_every = 100;
  bool augment = false;
  std::vector<double> mean = {};  // empty: the model's
  std::vector<double> std = {};
};

// The settings beside the options they come from.
class TrainSettingsOptions {
 public:
  // Declares the options on `app`; they write into `settings`, which must outlive both.
  TrainSettingsOptions(CLI::App& app, TrainSettings& settings);

  // Plain values by name, for a checkpoint.
  Value to_value() const;
  // Takes the settings of a checkpoint at `path` for every option that was not given. One that was given
  // replaces the checkpoint's where a run can go on with it (epochs, steps, data, threads, log_every);
  // another that differs is Error kInvalidArgument. A limit of steps that the run has reached is forgotten.
  // Error kCorrupt for a setting that the option would not take, kDTypeMismatch for one of another kind.
  void resume(const Value& saved, std::int64_t steps_done, const std::string& path);

 private:
  struct Setting {
    const char* name;
    CLI::Option* option;
    bool may_change;
    std::function<Value()> get;
    std::function<void(const Value&)> set;
    // What is wrong with a value that did not come through the option; empty when nothing is.
    std::function<std::string(const Value&)> fault;
  };
  template <class T>
  void add(const char* name, CLI::Option* option, T& field, bool may_change = false);
  template <class T>
  void add(const char* name, CLI::Option* option, T& field, const CLI::Validator& check,
           bool may_change = false);

  TrainSettings& settings_;
  std::vector<Setting> table_;
  CLI::Option* steps_ = nullptr;
};

}  // namespace sconce::cli
