#include <algorithm>

#include "sconce/nn/module.h"

namespace sconce::nn {

struct Layer::Hooks {
  std::vector<std::pair<int, ForwardPreHook>> before;
  std::vector<std::pair<int, ForwardHook>> after;
  int next = 0;
};

void Layer::HooksDeleter::operator()(Hooks* hooks) const { delete hooks; }

Layer::Hooks& Layer::hooks() {
  if (!hooks_) hooks_.reset(new Hooks);
  return *hooks_;
}

Tensor Layer::operator()(const Tensor& input) {
  if (!hooks_) return forward(input);
  const auto only = [this](const std::vector<Tensor>& tensors) -> const Tensor& {
    require(tensors.size() == 1, ErrorCode::kInvalidArgument, "hook", "a hook of ", class_name(),
            " must give one tensor, it gave ", tensors.size());
    return tensors.front();
  };
  std::vector<Tensor> arguments{input};
  for (const auto& [number, hook] : hooks_->before) {
    if (auto replaced = hook(*this, arguments); !replaced.empty()) arguments = {only(replaced)};
  }
  std::vector<Tensor> results{forward(arguments.front())};
  for (const auto& [number, hook] : hooks_->after) {
    if (auto replaced = hook(*this, arguments, results); !replaced.empty()) results = {only(replaced)};
  }
  return results.front();
}

int Layer::add_forward_pre_hook(ForwardPreHook hook) {
  hooks().before.emplace_back(hooks().next, std::move(hook));
  return hooks_->next++;
}

int Layer::add_forward_hook(ForwardHook hook) {
  hooks().after.emplace_back(hooks().next, std::move(hook));
  return hooks_->next++;
}

void Layer::remove_hook(int number) {
  const auto erase = [number](auto& list) {
    return std::erase_if(list, [number](const auto& entry) { return entry.first == number; });
  };
  const bool found = hooks_ && erase(hooks_->before) + erase(hooks_->after) > 0;
  require(found, ErrorCode::kNotFound, "hook", "no hook has the number ", number);
}

}  // namespace sconce::nn
