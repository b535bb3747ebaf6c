#include "sconce/optim/lr_scheduler.h"

#include <functional>

#include "optim/value_copy.h"

namespace sconce::optim {
namespace {

class Writer final : public ScheduleFields {
 public:
  explicit Writer(Value& out) : out_(out) {}
  void field(std::string_view name, std::int64_t& value) override { out_.set_item(name, value); }
  void field(std::string_view name, double& value) override { out_.set_item(name, value); }

 private:
  Value& out_;
};

Value list_of(const std::vector<double>& numbers) {
  Value out = Value::list();
  for (const double number : numbers) out.append(number);
  return out;
}

std::vector<double> numbers_of(const Value& list) {
  std::vector<double> out;
  for (const Value& number : list.elements()) {
    out.push_back(number.is_array() ? number.as_array().item<double>() : number.as_float());
  }
  return out;
}

}  // namespace

// Takes entries out of a state_dict; assigns them only when told that all are right.
class LRScheduler::Reader final : public ScheduleFields {
 public:
  explicit Reader(const Value& state) {
    for (const auto& [key, value] : state.items()) {
      require(key.is_string(), ErrorCode::kKeyMismatch, "load_state_dict",
              "expected a scheduler's state_dict with str keys, found the key of a ",
              value_kind_name(key.kind()));
      entries_.emplace_back(key.as_string(), value);
    }
  }
  void field(std::string_view name, std::int64_t& target) override {
    read(name, target, [](const Value& value) { return value.as_int(); });
  }
  void field(std::string_view name, double& target) override {
    read(name, target, [](const Value& value) { return value.as_float(); });
  }
  void numbers(std::string_view name, std::size_t size, std::vector<double>& target) {
    read(name, target, [&](const Value& value) {
      std::vector<double> out = numbers_of(value);
      require(out.size() == size, ErrorCode::kKeyMismatch, "load_state_dict", "'", name, "' has ", out.size(),
              " learning rates, the optimizer has ", size, " parameter groups");
      return out;
    });
  }
  void ignore(std::string_view name) { take(name); }
  // What nobody asked for.
  const Options& rest() const { return entries_; }
  // Exchanges old and new values; a second call undoes the first.
  void swap() {
    for (const auto& exchange : exchanges_) exchange();
  }

 private:
  std::optional<Value> take(std::string_view name) {
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->first != name) continue;
      Value value = it->second;
      entries_.erase(it);
      return value;
    }
    return std::nullopt;
  }
  template <class T, class Convert>
  void read(std::string_view name, T& target, Convert convert) {
    if (const auto value = take(name)) {
      exchanges_.emplace_back([&target, held = convert(*value)]() mutable { std::swap(target, held); });
    }
  }

  Options entries_;
  std::vector<std::function<void()>> exchanges_;
};

LRScheduler::LRScheduler(Optimizer& optimizer, std::int64_t last_epoch)
    : optimizer_(optimizer), last_epoch_(last_epoch) {
  std::size_t number = 0;
  for (ParamGroup& group : optimizer.param_groups()) {
    const bool is_noted = group.contains("initial_lr");
    require(is_noted || last_epoch == -1, ErrorCode::kInvalidArgument, "lr_scheduler",
            "param 'initial_lr' is not specified in param_groups[", number,
            "] when resuming scheduler with last_epoch >= 0: load the optimizer's state first");
    if (!is_noted) group.set("initial_lr", group.at("lr"));
    base_lrs_.push_back(group.number("initial_lr"));
    ++number;
  }
}

double LRScheduler::base_lr(std::size_t group) const {
  require(group < base_lrs_.size(), ErrorCode::kState, "lr_scheduler", "parameter group ", group,
          " was added after the scheduler was made");
  return base_lrs_[group];
}

void LRScheduler::step() {
  ++step_count_;
  ++last_epoch_;
  last_lr_.clear();
  for (ParamGroup& group : optimizer_.param_groups()) {
    group.set_lr(next_lr(last_lr_.size(), group.lr()));
    last_lr_.push_back(group.lr());
  }
}

Value LRScheduler::state_dict() const {
  Value out = Value::dict();
  Writer writer(out);
  // The writer only reads.
  const_cast<LRScheduler*>(this)->fields(writer);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  out.set_item("base_lrs", list_of(base_lrs_));
  out.set_item("last_epoch", last_epoch_);
  out.set_item("_step_count", step_count_);
  out.set_item("_is_initial", false);
  out.set_item("_get_lr_called_within_step", false);
  out.set_item("_last_lr", list_of(last_lr_));
  for (const auto& [name, value] : further_) out.set_item(name, copy_value(value));
  return out;
}

void LRScheduler::load_state_dict(const Value& state) {
  require(state.is_dict(), ErrorCode::kKeyMismatch, "load_state_dict",
          "expected a scheduler's state_dict, found a ", value_kind_name(state.kind()));
  Reader reader(state);
  fields(reader);
  const std::size_t groups = optimizer_.param_groups().size();
  reader.numbers("base_lrs", groups, base_lrs_);
  reader.field("last_epoch", last_epoch_);
  reader.field("_step_count", step_count_);
  reader.ignore("_is_initial");
  reader.ignore("_get_lr_called_within_step");
  reader.numbers("_last_lr", groups, last_lr_);
  Options further;
  for (const auto& [name, value] : reader.rest()) further.emplace_back(name, copy_value(value));
  reader.swap();
  try {
    check();
  } catch (...) {
    reader.swap();
    throw;
  }
  further_ = std::move(further);
}

}  // namespace sconce::optim
