#include "nn/train_settings.h"

#include <charconv>
#include <cstdint>
#include <system_error>
#include <type_traits>

#include "sconce/base/error.h"
#include "sconce/models/registry.h"

namespace sconce::cli {
namespace {

template <class T>
Value as_value(const T& field) {
  return Value(field);
}
Value as_value(const std::optional<std::int64_t>& field) { return field ? Value(*field) : Value(); }
Value as_value(const std::vector<double>& field) {
  Value list = Value::list();
  for (const double number : field) list.append(number);
  return list;
}

void from_value(const Value& value, std::string& field) { field = value.as_string(); }
void from_value(const Value& value, std::int64_t& field) { field = value.as_int(); }
void from_value(const Value& value, double& field) { field = value.as_float(); }
void from_value(const Value& value, bool& field) { field = value.as_bool(); }
void from_value(const Value& value, std::optional<std::int64_t>& field) {
  field = value.is_none() ? std::nullopt : std::optional<std::int64_t>(value.as_int());
}
void from_value(const Value& value, std::vector<double>& field) {
  field.clear();
  for (const Value& element : value.elements()) field.push_back(element.as_float());
}

CLI::Validator a_model() {
  return {[](const std::string& name) {
            try {
              models::find(name);
            } catch (const Error& error) {
              return error.text();
            }
            return std::string();
          },
          ""};
}

// What torch.manual_seed takes; n and n - 2^64 are the same seed.
std::string seed_from(std::string& text) {
  const char* end = text.data() + text.size();
  std::int64_t seed = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, seed); error == std::errc() && stop == end)
    return "";
  std::uint64_t large = 0;
  if (const auto [stop, error] = std::from_chars(text.data(), end, large);
      error == std::errc() && stop == end) {
    text = std::to_string(static_cast<std::int64_t>(large));
    return "";
  }
  return cat("expected a whole number from -2^63 to 2^64 - 1, found ", escaped(text));
}

std::string text_of(const Value& value) {
  if (value.is_none()) return "none";
  if (value.is_bool()) return value.as_bool() ? "on" : "off";
  if (value.is_int()) return cat(value.as_int());
  if (value.is_float()) return cat(value.as_float());
  if (value.is_string()) return escaped(value.as_string());
  std::string text;
  for (const Value& element : value.elements()) text += (text.empty() ? "" : ",") + text_of(element);
  return text;
}

bool is_same(const Value& given, const Value& saved) {
  if (given.is_float()) return given.as_float() == saved.as_float();
  if (!given.is_list()) return text_of(given) == text_of(saved);
  std::vector<double> mine;
  std::vector<double> theirs;
  from_value(given, mine);
  from_value(saved, theirs);
  // One number stands for every channel.
  if (mine.size() == 1) mine.resize(theirs.size(), mine.front());
  if (theirs.size() == 1) theirs.resize(mine.size(), theirs.front());
  return mine == theirs;
}

}  // namespace

template <class T>
void TrainSettingsOptions::add(const char* name, CLI::Option* option, T& field, bool may_change) {
  // Flags show no default, and neither do empty ones.
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    if (option->get_expected_max() > 0) option->capture_default_str();
  }
  table_.push_back({name, option, may_change, [&field] { return as_value(field); },
                    [&field](const Value& value) { from_value(value, field); },
                    [](const Value&) { return std::string(); }});
}

template <class T>
void TrainSettingsOptions::add(const char* name, CLI::Option* option, T& field, const CLI::Validator& check,
                               bool may_change) {
  add(name, option->check(check), field, may_change);
  table_.back().fault = [check](const Value& value) {
    return value.is_none() ? std::string() : check(value.is_string() ? value.as_string() : text_of(value));
  };
}

TrainSettingsOptions::TrainSettingsOptions(CLI::App& app, TrainSettings& settings) : settings_(settings) {
  TrainSettings& s = settings;
  constexpr bool kMayChange = true;
  // Far from where products of them overflow.
  const auto at_least = [](std::int64_t low) { return CLI::Range(low, std::int64_t{1} << 31); };
  add("arch", app.add_option("--arch", s.arch, "Model of the zoo; see 'sconce models'"), s.arch, a_model());
  add("data", app.add_option("--data", s.data, kDataHelp), s.data, kMayChange);
  add("epochs", app.add_option("--epochs", s.epochs, "Passes over the data"), s.epochs, at_least(0),
      kMayChange);
  steps_ = app.add_option("--steps", s.steps, "Stop after this many optimizer steps in all");
  add("steps", steps_, s.steps, at_least(0), kMayChange);
  add("batch_size", app.add_option("--batch-size", s.batch_size, "Pictures in a batch"), s.batch_size,
      at_least(1));
  add("optimizer", app.add_option("--optimizer", s.optimizer, "Optimizer"), s.optimizer,
      CLI::IsMember({"sgd"}));
  add("lr", app.add_option("--lr", s.lr, "Learning rate"), s.lr);
  add("momentum", app.add_option("--momentum", s.momentum, "Momentum"), s.momentum);
  add("dampening", app.add_option("--dampening", s.dampening, "Dampening of the momentum"), s.dampening);
  add("weight_decay", app.add_option("--weight-decay", s.weight_decay, "L2 penalty"), s.weight_decay);
  add("nesterov", app.add_flag("--nesterov", s.nesterov, "Nesterov momentum"), s.nesterov);
  add("scheduler", app.add_option("--scheduler", s.scheduler, "Schedule of the learning rate"), s.scheduler,
      CLI::IsMember({"none", "step"}));
  add("step_size", app.add_option("--step-size", s.step_size, "Scheduler step: epochs between drops"),
      s.step_size, at_least(1));
  add("gamma", app.add_option("--gamma", s.gamma, "Scheduler step: factor of a drop"), s.gamma);
  add("seed",
      app.add_option("--seed", s.seed, "Seed of the random numbers")
          ->transform(CLI::Validator(seed_from, "")),
      s.seed);
  add("threads", app.add_option("--threads", s.threads, "Threads to compute with; default: one per core"),
      s.threads, CLI::Range(1, 4096), kMayChange);
  app.get_option("--threads")->default_str("");  // 0 stands for none given
  add("log_every", app.add_option("--log-every", s.log_every, "Steps between metrics"), s.log_every,
      at_least(1), kMayChange);
  add("augment", app.add_flag("--augment", s.augment, "Crop and flip the pictures at random"), s.augment);
  add("mean",
      app.add_option("--mean", s.mean,
                     "Mean of the pixels, one or one per channel: 0.5 or 0.4,0.5,0.6; "
                     "default: the model's")
          ->delimiter(',')
          ->expected(1, 4),
      s.mean);
  add("std",
      app.add_option("--std", s.std, "Standard deviation of the pixels; default: the model's")
          ->delimiter(',')
          ->expected(1, 4),
      s.std);
}

Value TrainSettingsOptions::to_value() const {
  Value all = Value::dict();
  for (const Setting& setting : table_) all.set_item(setting.name, setting.get());
  return all;
}

void TrainSettingsOptions::resume(const Value& saved, std::int64_t steps_done, const std::string& path) {
  for (const Setting& setting : table_) {
    const std::optional<Value> theirs = saved.find(setting.name);
    if (!theirs) continue;
    try {
      if (setting.option->count() == 0) {
        const std::string fault = setting.fault(*theirs);
        require(fault.empty(), ErrorCode::kCorrupt, "resume", fault);
        setting.set(*theirs);
        continue;
      }
      const Value mine = setting.get();
      require(setting.may_change || is_same(mine, *theirs), ErrorCode::kInvalidArgument, "resume", "it is ",
              text_of(mine), " here, but the run has ", text_of(*theirs),
              "; leave it out, or start a new run from these weights with --init");
    } catch (const Error& error) {
      throw Error(error.code(), error.where(), cat(setting.option->get_name(), ": ", error.text()))
          .in_file(path);
    }
  }
  if (steps_->count() == 0 && settings_.steps && *settings_.steps <= steps_done) settings_.steps.reset();
}

}  // namespace sconce::cli
