#include "file/show.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "common/limit_option.h"
#include "common/output.h"
#include "file/show_json.h"
#include "sconce/base/text.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/core/print.h"
#include "sconce/state/python_class.h"
#include "sconce/state/repr.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/find.h"
#include "sconce/toolbox/packed.h"
#include "sconce/toolbox/slicing.h"

namespace sconce::cli {
namespace {

using checkpoint::NamedLeaf;

struct ShowArguments {
  std::string path;
  std::string name;
  bool full = false;
  int precision = PrintOptions{}.precision;
  checkpoint::LoadOptions load = {.defer = true};
  bool json = false;
};

// What is to be shown: a value, and the part of it.
struct Chosen {
  NamedLeaf leaf;
  std::string slice;  // with its brackets; empty: all
};

// A name may end in brackets itself, so the whole text is tried first.
Chosen choose(const Value& root, const std::string& text, const checkpoint::NamedLimits& limits) {
  const std::size_t bracket = toolbox::slice_begin(text);
  const auto look = [&](const std::string& name, const std::string& slice) {
    auto found = toolbox::find_named(root, name, limits);
    if (found.size() > 1) {
      warn(cat(found.size(), " values are named '", escaped(name), "'; the first is shown"));
    }
    return Chosen{std::move(found.front()), slice};
  };
  if (bracket == std::string::npos) return look(text, "");
  try {
    return look(text, "");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
  }
  return look(text.substr(0, bracket), text.substr(bracket));
}

std::vector<std::string> suffixes_of(const TensorLeaf& leaf) {
  std::vector<std::string> out;
  if (leaf.quantization) {
    const Quantization& quantization = *leaf.quantization;
    out.push_back(cat("quantization_scheme=torch.", quantization.scheme));
    if (quantization.scales.defined()) {
      out.push_back(cat("axis=", quantization.axis));
    } else {
      out.push_back(cat("scale=", quantization.scale));
      out.push_back(cat("zero_point=", quantization.zero_point));
    }
  }
  if (leaf.requires_grad) out.emplace_back("requires_grad=True");
  return out;
}

class Shower {
 public:
  explicit Shower(const ShowArguments& options) : options_(options) {
    print_.precision = options.precision;
    if (options.full) print_.threshold = std::numeric_limits<std::int64_t>::max();
  }

  void show(const Chosen& chosen) const {
    const Value& value = chosen.leaf.value;
    if (value.is_array()) return show_tensor(chosen);
    if (const auto array = checkpoint::numpy_array(value); array && array->rank() > 0)
      return show_numpy(chosen, *array);
    require(
        chosen.slice.empty(), ErrorCode::kInvalidArgument, "show", "'", escaped(chosen.leaf.name), "' is a ",
        value.is_sparse() ? value.as_sparse().layout + " tensor" : std::string(value_kind_name(value.kind())),
        ", which has no slices");
    if (value.is_sparse()) return show_sparse(chosen.leaf);
    if (options_.json) {
      out().print_json({{"name", chosen.leaf.name}, {"type", type_of(value)}, {"value", value_json(value)}});
      return;
    }
    if (checkpoint::is_understood(value)) {
      out().print(checkpoint::value_text(value) + "\n");
      return;
    }
    ReprLimits limits{.elements = 1000, .depth = 100, .characters = 10'000};
    if (options_.full) limits.elements = limits.characters = std::numeric_limits<std::size_t>::max();
    out().print(value_repr(value, limits) + "\n");
  }

 private:
  static std::string type_of(const Value& value) {
    return value.is_object() ? object_class(value) : std::string(value_kind_name(value.kind()));
  }

  static Array part_of(const Array& whole, const std::string& slice) {
    return slice.empty() ? whole : toolbox::apply_slice(whole, toolbox::parse_slice(slice));
  }

  void show_numpy(const Chosen& chosen, const Array& whole) const {
    const Array array = part_of(whole, chosen.slice);
    if (!options_.json) {
      out().print(cat(checkpoint::value_text(chosen.leaf.value), "\n", elements_repr(array, print_), "\n"));
      return;
    }
    print_numbers(head_of(chosen, array, type_of(chosen.leaf.value)), array);
  }

  static Json head_of(const Chosen& chosen, const Array& array, const std::string& type = {}) {
    Json out = {{"name", chosen.leaf.name},
                {"slice", chosen.slice.empty() ? Json(nullptr) : Json(chosen.slice)},
                {"dtype", dtype_name(array.dtype())},
                {"shape", array.shape().to_vector()}};
    if (!type.empty()) out["type"] = type;
    return out;
  }

  static void print_numbers(const Json& head, const Array& array) {
    print_open(head);
    out().print(", \"values\": ");
    const NotFinite count = print_elements(array);
    out().print(cat(", \"nan\": ", count.nan, ", \"inf\": ", count.infinite, "}\n"));
  }

  void show_tensor(const Chosen& chosen) const {
    const TensorLeaf& leaf = chosen.leaf.value.as_tensor();
    const Array whole = toolbox::unpacked(leaf);
    const Array array = part_of(whole, chosen.slice);
    if (!options_.json) {
      out().print(repr(array, suffixes_of(leaf), print_) + "\n");
      return;
    }
    Json head = head_of(chosen, array);
    if (leaf.quantization) {
      head["quantization"] = {{"scheme", leaf.quantization->scheme}};
      if (!leaf.quantization->scales.defined()) {
        head["quantization"]["scale"] = leaf.quantization->scale;
        head["quantization"]["zero_point"] = leaf.quantization->zero_point;
      }
    }
    print_numbers(head, array);
  }

  void show_sparse(const NamedLeaf& named) const {
    const SparseLeaf& leaf = named.value.as_sparse();
    std::vector<std::pair<std::string, Array>> parts;
    if (leaf.layout == "sparse_coo") {
      parts = {{"indices", leaf.indices}, {"values", leaf.values}};
    } else {
      const bool by_column = leaf.layout == "sparse_csc" || leaf.layout == "sparse_bsc";
      parts = {{by_column ? "ccol_indices" : "crow_indices", leaf.indices},
               {by_column ? "row_indices" : "col_indices", leaf.plain_indices},
               {"values", leaf.values}};
    }
    if (!options_.json) {
      std::string text = cat(leaf.layout, " tensor, size=", leaf.size.str(), "\n");
      for (const auto& [role, array] : parts) text += cat(role, "=", repr(array, {}, print_), "\n");
      out().print(text);
      return;
    }
    print_open({{"name", named.name},
                {"layout", leaf.layout},
                {"dtype", dtype_name(leaf.values.dtype())},
                {"shape", leaf.size.to_vector()}});
    NotFinite count;
    for (const auto& [role, array] : parts) {
      out().print(cat(", \"", role, "\": "));
      count = print_elements(array);  // the values come last
    }
    out().print(cat(", \"nan\": ", count.nan, ", \"inf\": ", count.infinite, "}\n"));
  }

  // An object that goes on.
  static void print_open(const Json& head) {
    std::string text = head.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.pop_back();
    out().print(text);
  }

  const ShowArguments& options_;
  PrintOptions print_;
};

int run_show(const ShowArguments& options) {
  try {
    const auto pickles = checkpoint::describe(options.path, options.load).pickles;
    for (const std::string& line : toolbox::code_warnings(pickles)) {
      warn(cat(escaped(options.path), ": ", line));
    }
    const Value root =
        checkpoint::recover_modules(checkpoint::load(options.path, options.load), options.load.walk).value;
    Shower(options).show(choose(root, options.name, options.load.walk));
  } catch (const Error& error) {
    throw error.in_file(options.path);
  }
  return kFine;
}

}  // namespace

Command show_command() {
  return {"show", "Print the values of a tensor, or of anything else in a checkpoint",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<ShowArguments>();
            app.add_option("PATH", options->path, "The checkpoint")->required();
            app.add_option("NAME", options->name,
                           "A name as 'sconce inspect' prints it, with a slice if you like")
                ->required();
            app.add_flag("--full", options->full, "Every element; more than 1000 are summarised otherwise");
            app.add_option("--precision", options->precision, "Digits after the point")
                ->check(CLI::Range(0, PrintOptions::kMostPrecision))
                ->capture_default_str();
            add_limit_option(app, options->load);
            app.add_flag("--json", options->json, "One JSON object; NaN and infinities are null and counted");
            app.footer(
                "Reads the storage of that tensor only. Slices are numpy's: 0, -1, 1:3, ::2, ::-1, ...\n"
                "A name that begins with '-' comes after '--'.\n\n"
                "Example: sconce show net.pt 'conv1.weight[0, :, 1:3]'");
            return [options] { return run_show(*options); };
          }};
}

}  // namespace sconce::cli
