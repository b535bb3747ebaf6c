#include "sconce/nn/module.h"

#include <cxxabi.h>

#include <cstddef>
#include <cstdlib>
#include <ostream>
#include <typeinfo>

#include "nn/walk.h"

namespace sconce::nn {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? text.get() : name;
}

// Tensors in order, each once: tied ones under their first name.
template <class Member>
std::vector<std::pair<std::string, Tensor>> named_members(
    const Module& module, void (*for_each)(Module&, const std::function<void(std::string_view, Member&)>&)) {
  check_lists(module);
  std::vector<std::pair<std::string, Tensor>> out;
  nn::for_each_module(walkable(module), "", [&](const std::string& prefix, Module& part) {
    for_each(part, [&](std::string_view name, Member& member) {
      if (!member.defined()) return;
      for (const auto& [known, tensor] : out) {
        if (tensor.is_same(member)) return;
      }
      out.emplace_back(cat(prefix, name), member);
    });
  });
  return out;
}

std::vector<Tensor> without_names(std::vector<std::pair<std::string, Tensor>> named) {
  std::vector<Tensor> out;
  out.reserve(named.size());
  for (auto& pair : named) out.push_back(std::move(pair.second));
  return out;
}

std::string indented(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

}  // namespace

std::string Module::class_name() const {
  std::string name = demangled(typeid(*this).name());
  // "(anonymous namespace)::Net" and "sconce::nn::Linear" are Net and Linear; template arguments stay.
  int depth = 0;
  for (std::size_t i = name.size(); i-- > 1;) {
    if (name[i] == '>' || name[i] == ')') ++depth;
    if (name[i] == '<' || name[i] == '(') --depth;
    if (depth == 0 && name[i] == ':') return name.substr(i + 1);
  }
  return name;
}

void Module::upgrade_state(LoadUpgrade&) const {}

void Module::set_extra_state(const Value&) {
  fail(ErrorCode::kState, "load_state_dict", class_name(),
       " has extra state to save but does not say how to load it: override set_extra_state");
}

std::vector<std::pair<std::string, Tensor>> Module::named_parameters() const {
  return named_members<Parameter>(*this, &for_each_parameter);
}

std::vector<std::pair<std::string, Tensor>> Module::named_buffers() const {
  return named_members<Buffer>(*this, &for_each_buffer);
}

std::vector<Tensor> Module::parameters() const { return without_names(named_parameters()); }
std::vector<Tensor> Module::buffers() const { return without_names(named_buffers()); }

void Module::for_each_module(const std::function<void(const std::string&, const Module&)>& function) const {
  nn::for_each_module(walkable(*this), "", [&](const std::string& prefix, Module& part) {
    function(prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1), part);
  });
}

std::int64_t Module::num_parameters() const {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

void Module::train(bool on) {
  nn::for_each_module(*this, "", [on](const std::string&, Module& part) { part.is_training_ = on; });
}

void Module::zero_grad() {
  for (Tensor parameter : parameters()) parameter.set_grad({});
}

void Module::requires_grad(bool on) {
  for (Tensor parameter : parameters()) parameter.set_requires_grad(on);
}

void Module::to(DType dtype) {
  require(is_floating(dtype), ErrorCode::kDTypeMismatch, "module", "expected a floating dtype, got ", dtype);
  nn::for_each_module(*this, "", [dtype](const std::string&, Module& part) {
    const auto convert = [dtype](std::string_view, Tensor& member) {
      if (!member.defined() || !is_floating(member.dtype()) || member.dtype() == dtype) return;
      // The handle stays, so tied names and optimizers follow; a gradient of the old dtype cannot.
      const bool learned = member.requires_grad();
      if (learned) member.set_grad({});
      member.set_requires_grad(false);
      member.mutable_array() = member.array().cast(dtype);
      member.set_requires_grad(learned);
    };
    for_each_parameter(part, convert);
    for_each_buffer(part, convert);
  });
}

void Module::apply(const std::function<void(Module&)>& function) {
  for_each_lasting_child(*this, [&](Module& child) { child.apply(function); });
  function(*this);
}

// torch/nn/modules/module.py and container.py, __repr__.
std::string Module::str() const {
  struct Run {
    std::string first, last, text;
    int count = 1;
  };
  std::vector<Run> runs;
  for_each_child(walkable(*this), [&](std::string_view name, Module& child) {
    std::string text = child.str();
    if (merges_equal_children_in_repr() && !runs.empty() && runs.back().text == text) {
      runs.back().last = name;
      ++runs.back().count;
    } else {
      runs.push_back({std::string(name), {}, std::move(text)});
    }
  });
  const std::string extra = extra_repr();
  const bool is_short = runs.empty() && extra.find('\n') == std::string::npos;
  if (is_short) return cat(class_name(), "(", extra, ")");
  std::string out = cat(class_name(), "(", extra.empty() ? "" : "\n  ", indented(extra));
  for (const Run& run : runs) {
    out += cat("\n  (", run.first);
    if (run.count > 1)
      out += cat("-", run.last, "): ", run.count, " x ");
    else
      out += "): ";
    out += indented(run.text);
  }
  return out + "\n)";
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << module.str(); }

}  // namespace sconce::nn
