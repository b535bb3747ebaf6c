// Random models whose names were changed in known ways: what match_keys finds must be true.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "sconce/base/text.h"
#include "sconce/toolbox/key_match.h"

namespace sconce::toolbox {
namespace {

struct Layer {
  std::string name;
  bool is_sequential = false;  // its children are numbered
  std::vector<std::pair<std::string, KeyInfo>> tensors;
  std::vector<Layer> children;
};

// A tensor of a model, and which one it is, whatever its name.
struct Named {
  KeyInfo key;
  int identity = 0;
};

class Models {
 public:
  explicit Models(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(int percent) { return below(100) < static_cast<std::size_t>(percent); }

  Layer model() { return container("", 3); }

  // ---- changes

  // Other numbers in the same order.
  void renumber(Layer& layer) {
    if (layer.is_sequential) {
      std::size_t number = 0;
      for (Layer& child : layer.children) {
        number += below(3);
        child.name = std::to_string(number++);
      }
    }
    for (Layer& child : layer.children) renumber(child);
  }

  // Other words for some layers; the order stays.
  void rename(Layer& layer, int percent) {
    std::set<std::string> used;
    for (Layer& child : layer.children) {
      if (!layer.is_sequential && chance(percent)) {
        do {
          child.name = word();
        } while (!used.insert(child.name).second);
      }
      rename(child, percent);
    }
  }

  void drop_some(Layer& layer) {
    std::erase_if(layer.children, [&](const Layer&) { return chance(10); });
    for (Layer& child : layer.children) drop_some(child);
  }

  void drop_counters(Layer& layer) {
    std::erase_if(layer.tensors, [](const auto& tensor) { return tensor.first == "num_batches_tracked"; });
    for (Layer& child : layer.children) drop_counters(child);
  }

  // Tensors in the order of registration. `wrap`: wrappers stand before some layers.
  std::vector<Named> list(const Layer& layer, const std::string& prefix, bool wrap) {
    std::vector<Named> out;
    for (const auto& [name, key] : layer.tensors) {
      Named named{key, std::stoi(key.name)};
      named.key.name = prefix + name;
      out.push_back(named);
    }
    for (const Layer& child : layer.children) {
      std::string below_child = cat(prefix, child.name, ".");
      if (wrap && chance(30)) below_child += pick({"module.", "_orig_mod.", "_fsdp_wrapped_module."});
      const auto more = list(child, below_child, wrap);
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }

  std::string pick(std::vector<std::string> words) { return words[below(words.size())]; }

 private:
  std::string word() {
    std::string out = "r";
    for (std::size_t i = 3 + below(5); i > 0; --i) out += static_cast<char>('a' + below(26));
    return out;
  }

  void add(Layer& layer, const std::string& name, Shape shape, DType dtype = kFloat32) {
    KeyInfo key;
    key.name = std::to_string(next_++);  // its identity
    key.dtype = dtype;
    key.shape = std::move(shape);
    layer.tensors.emplace_back(name, std::move(key));
  }

  Layer leaf(const std::string& name) {
    Layer out;
    out.name = name;
    const auto size = static_cast<std::int64_t>(2 + below(3));
    const auto other = static_cast<std::int64_t>(2 + below(3));
    switch (below(4)) {
      case 0:
        add(out, "weight", {size, other});
        add(out, "bias", {size});
        break;
      case 1:
        add(out, "weight", {size, other, 3, 3});
        break;
      case 2:
        add(out, "weight", {size});
        add(out, "bias", {size});
        add(out, "running_mean", {size});
        add(out, "running_var", {size});
        add(out, "num_batches_tracked", {}, kInt64);
        break;
      default:
        add(out, "weight", {size});
        add(out, "bias", {size});
    }
    return out;
  }

  Layer container(const std::string& name, int depth) {
    Layer out;
    out.name = name;
    out.is_sequential = !name.empty() && chance(50);
    const std::size_t count = 1 + below(5);
    std::size_t number = 0;
    std::set<std::string> used;
    for (std::size_t i = 0; i < count; ++i) {
      std::string child;
      if (out.is_sequential) {
        number += below(3);
        child = std::to_string(number++);
      } else {
        do {
          child = pick({"conv",   "conv1", "conv2",  "conv3", "bn1",    "bn2",    "fc",
                        "fc1",    "fc2",   "layers", "block", "attn",   "q_proj", "k_proj",
                        "v_proj", "norm",  "head",   "stem",  "layer1", "layer2"});
        } while (!used.insert(child).second);
      }
      out.children.push_back(depth > 0 && chance(50) ? container(child, depth - 1) : leaf(child));
    }
    return out;
  }

  std::mt19937 random_;
  int next_ = 0;
};

unsigned run_seed() {
  const char* given = std::getenv("SCONCE_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

std::vector<KeyInfo> keys_of(const std::vector<Named>& named) {
  std::vector<KeyInfo> out;
  for (const Named& entry : named) out.push_back(entry.key);
  return out;
}

struct Score {
  std::size_t wanted = 0;
  std::size_t found = 0;
};

// Every match must be the very tensor.
void check(const std::vector<Named>& targets, const std::vector<Named>& sources, const MatchOptions& options,
           Score& score) {
  const KeyMatching found = match_keys(keys_of(targets), keys_of(sources), options);
  score.wanted += targets.size();
  score.found += found.matches.size();
  for (const KeyMatch& match : found.matches) {
    if (match.rule == MatchRule::kFilled) {
      ASSERT_TRUE(targets[match.target].key.name.ends_with("num_batches_tracked"));
      continue;
    }
    ASSERT_EQ(targets[match.target].identity, sources[*match.source].identity)
        << targets[match.target].key.name << " <- " << sources[*match.source].key.name << " by "
        << match_rule_name(match.rule);
  }
}

class KeyMatchRandom : public ::testing::Test {
 protected:
  // Makes models, changes a copy of each, and lists both. All must be found where `all` says so.
  void run(const std::function<std::vector<Named>(Models&, Layer)>& change, const MatchOptions& options,
           bool all, double least = 0) {
    const unsigned seed = run_seed();
    Score score;
    for (unsigned round = 0; round < 400; ++round) {
      SCOPED_TRACE(cat("SCONCE_SEED=", seed, ", round ", round));
      Models models(seed + round);
      const Layer model = models.model();
      const auto targets = models.list(model, "", false);
      const auto sources = change(models, model);
      const Score before = score;
      check(targets, sources, options, score);
      if (HasFatalFailure()) return;
      if (all) {
        ASSERT_EQ(score.found - before.found, score.wanted - before.wanted);
      }
    }
    EXPECT_GE(static_cast<double>(score.found), least * static_cast<double>(score.wanted))
        << "SCONCE_SEED=" << seed;
  }
};

TEST_F(KeyMatchRandom, PrefixesAndWrappersAreFoundThroughout) {
  run(
      [](Models& models, const Layer& model) {
        const std::string prefix =
            models.pick({"", "module.", "model.", "_orig_mod.", "state_dict.model.net.", "x.y."});
        return models.list(model, prefix, true);
      },
      {}, true);
}

TEST_F(KeyMatchRandom, MissingCountersAreFilled) {
  run(
      [](Models& models, Layer model) {
        models.drop_counters(model);
        return models.list(model, models.pick({"", "module."}), false);
      },
      {}, true);
}

TEST_F(KeyMatchRandom, RenumberedLayersAreFoundThroughout) {
  run(
      [](Models& models, Layer model) {
        models.renumber(model);
        return models.list(model, "", false);
      },
      {}, true);
}

// A file that lists its tensors in any order at all.
TEST_F(KeyMatchRandom, RenumberedLayersNeedNoOrder) {
  run(
      [](Models& models, Layer model) {
        models.renumber(model);
        auto out = models.list(model, "model.", false);
        for (std::size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[models.below(i)]);
        return out;
      },
      {.source_order_known = false}, false, 0.9);
}

TEST_F(KeyMatchRandom, RenamedLayersAreNeverMistaken) {
  for (const int percent : {15, 50, 100}) {
    run(
        [percent](Models& models, Layer model) {
          models.rename(model, percent);
          if (models.chance(50)) models.renumber(model);
          return models.list(model, models.pick({"", "module."}), models.chance(30));
        },
        {}, false, 0.5);
  }
}

TEST_F(KeyMatchRandom, RenamedLayersInAnyOrderAreNeverMistaken) {
  run(
      [](Models& models, Layer model) {
        models.rename(model, 40);
        auto out = models.list(model, "", false);
        for (std::size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[models.below(i)]);
        return out;
      },
      {.source_order_known = false}, false, 0.3);
}

TEST_F(KeyMatchRandom, MissingLayersAreNeverMistaken) {
  run(
      [](Models& models, Layer model) {
        models.drop_some(model);
        if (models.chance(50)) models.rename(model, 30);
        return models.list(model, "", models.chance(30));
      },
      {}, false, 0.3);
}

}  // namespace
}  // namespace sconce::toolbox
