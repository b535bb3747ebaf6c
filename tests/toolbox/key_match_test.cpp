#include "sconce/toolbox/key_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

KeyInfo key(std::string name, Shape shape = {4, 4}) { return {std::move(name), kFloat32, std::move(shape)}; }
KeyInfo counter(std::string name) { return {std::move(name), kInt64, {}}; }

std::vector<KeyInfo> keys(const std::vector<std::string>& names) {
  std::vector<KeyInfo> out;
  for (const std::string& name : names) out.push_back(key(name));
  return out;
}

struct Found {
  std::vector<std::string> matches;    // "target <- source (rule)"
  std::vector<std::string> unmatched;  // "target: reason [candidates]"
  std::vector<std::string> extra;
  KeyMatching matching;
};

Found match(const std::vector<KeyInfo>& targets, const std::vector<KeyInfo>& sources,
            const MatchOptions& options = {}) {
  Found out;
  out.matching = match_keys(targets, sources, options);
  for (const KeyMatch& found : out.matching.matches) {
    out.matches.push_back(cat(targets[found.target].name, " <- ",
                              found.source ? sources[*found.source].name : "0", " (",
                              match_rule_name(found.rule), found.transpose ? ", turned" : "", ")"));
  }
  for (const UnmatchedKey& found : out.matching.unmatched) {
    std::string text = cat(targets[found.target].name, ": ", no_match_name(found.reason));
    for (const std::size_t candidate : found.candidates) text += cat(" ", sources[candidate].name);
    out.unmatched.push_back(text);
  }
  for (const std::size_t extra : out.matching.extra) out.extra.push_back(sources[extra].name);
  return out;
}

TEST(KeyMatch, ExactNames) {
  const Found found = match(keys({"a.weight", "b.weight"}), keys({"b.weight", "a.weight", "c.weight"}));
  EXPECT_THAT(found.matches, ElementsAre("a.weight <- a.weight (exact)", "b.weight <- b.weight (exact)"));
  EXPECT_THAT(found.extra, ElementsAre("c.weight"));
  EXPECT_TRUE(found.matching.is_complete());
}

TEST(KeyMatch, Prefixes) {
  const auto targets = keys({"fc.weight", "head.weight"});
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "net.", "anything.at.all.",
                                   "_orig_mod.module.model.", "state_dict.model."}) {
    const Found found = match(targets, keys({prefix + "fc.weight", prefix + "head.weight"}));
    EXPECT_TRUE(found.matching.is_complete()) << prefix;
    EXPECT_EQ(found.matches[1], cat("head.weight <- ", prefix, "head.weight (prefix)"));
    const Found back = match(keys({prefix + "fc.weight", prefix + "head.weight"}), targets);
    EXPECT_TRUE(back.matching.is_complete()) << prefix;
  }
}

TEST(KeyMatch, WrappersInTheMiddle) {
  const Found found = match(keys({"enc.0.fc.weight", "dec.module.fc.weight", "module"}),
                            keys({"_orig_mod.enc.module.0._checkpoint_wrapped_module.fc.weight",
                                  "_orig_mod.dec._fsdp_wrapped_module.fc.weight", "_orig_mod.module"}));
  EXPECT_TRUE(found.matching.is_complete());
  EXPECT_EQ(found.matches[1],
            "dec.module.fc.weight <- _orig_mod.dec._fsdp_wrapped_module.fc.weight (prefix)");
}

TEST(KeyMatch, NamesThatFallTogetherWithoutWrappersKeepThem) {
  const Found found = match(keys({"fc.weight", "module.fc.weight"}), keys({"module.fc.weight", "fc.weight"}));
  EXPECT_THAT(found.matches,
              ElementsAre("fc.weight <- fc.weight (exact)", "module.fc.weight <- module.fc.weight (exact)"));
}

TEST(KeyMatch, ContainersOfACheckpoint) {
  const auto targets = keys({"fc.weight", "head.weight"});
  const Found found =
      match(targets,
            keys({"model.fc.weight", "model.head.weight", "model_ema.fc.weight", "model_ema.head.weight"}));
  EXPECT_EQ(found.matching.source_prefix, "model.");
  EXPECT_THAT(found.extra, ElementsAre("model_ema.fc.weight", "model_ema.head.weight"));
}

TEST(KeyMatch, PrefixesThatFitEquallyWellAreNotGuessed) {
  const auto targets = keys({"fc.weight"});
  const auto sources = keys({"teacher.fc.weight", "student.fc.weight"});
  const Found found = match(targets, sources);
  EXPECT_THAT(found.matching.ambiguous_prefixes, UnorderedElementsAre("teacher", "student"));
  EXPECT_THAT(found.matches, IsEmpty());
  const Found chosen = match(targets, sources, {.source_prefix = "student"});
  EXPECT_THAT(chosen.matches, ElementsAre("fc.weight <- student.fc.weight (prefix)"));
}

TEST(KeyMatch, RenumberedSequentials) {
  // The activations between the layers have gone, all layers are alike: the exact names would lie.
  const Found found = match(keys({"f.0.weight", "f.1.weight", "f.2.weight"}),
                            keys({"f.0.weight", "f.2.weight", "f.4.weight"}));
  EXPECT_THAT(found.matches,
              ElementsAre("f.0.weight <- f.0.weight (exact)", "f.1.weight <- f.2.weight (numbering)",
                          "f.2.weight <- f.4.weight (numbering)"));
  // Numbers are compared as numbers, whatever the order of the file.
  const Found sorted = match(keys({"f.1.weight", "f.2.weight"}), keys({"f.10.weight", "f.9.weight"}),
                             {.source_order_known = false});
  EXPECT_THAT(sorted.matches,
              ElementsAre("f.1.weight <- f.9.weight (numbering)", "f.2.weight <- f.10.weight (numbering)"));
}

TEST(KeyMatch, RenumberingThatShapesProve) {
  const Found found = match({key("f.0.weight", {8, 3}), key("f.1.weight", {4}), key("f.2.weight", {2, 8})},
                            {key("f.0.weight", {8, 3}), key("f.3.weight", {2, 8})});
  EXPECT_THAT(found.matches,
              ElementsAre("f.0.weight <- f.0.weight (exact)", "f.2.weight <- f.3.weight (numbering)"));
  EXPECT_THAT(found.unmatched, ElementsAre("f.1.weight: absent"));
}

TEST(KeyMatch, RenumberingThatNothingProves) {
  const Found found =
      match(keys({"f.0.weight", "f.1.weight"}), keys({"f.0.weight", "f.2.weight", "f.4.weight"}));
  EXPECT_THAT(found.matches, IsEmpty());
  EXPECT_THAT(found.unmatched, ElementsAre("f.0.weight: ambiguous f.0.weight f.2.weight f.4.weight",
                                           "f.1.weight: ambiguous f.0.weight f.2.weight f.4.weight"));
}

// What is left may be either layer, and the other is absent.
TEST(KeyMatch, AFitIsNoProofWhereAnotherTargetFitsAsWell) {
  const auto linear = [](const std::string& name) {
    return std::vector<KeyInfo>{key(name + ".weight", {4, 2}), key(name + ".bias", {4})};
  };
  std::vector<KeyInfo> targets = linear("attn.0.fc1.fc2");
  for (const KeyInfo& each : linear("bn2")) targets.push_back(each);
  const Found found = match(targets, linear("other"));
  EXPECT_THAT(found.matches, IsEmpty());
  EXPECT_THAT(found.unmatched,
              ElementsAre("attn.0.fc1.fc2.weight: ambiguous other.weight",
                          "attn.0.fc1.fc2.bias: ambiguous other.bias", "bn2.weight: ambiguous other.weight",
                          "bn2.bias: ambiguous other.bias"));
  EXPECT_TRUE(match(linear("attn.0.fc1.fc2"), linear("other")).matching.is_complete());
}

TEST(KeyMatch, OneLayerIsNoProofOfAPrefix) {
  const auto targets = keys({"enc.layer.fc.weight", "fc.weight"});
  EXPECT_THAT(match(targets, keys({"enc.other.fc.weight", "x.weight"})).matches, IsEmpty());
  EXPECT_THAT(match(keys({"fc.weight"}), keys({"enc.other.fc.weight"})).matches,
              ElementsAre("fc.weight <- enc.other.fc.weight (prefix)"));
}

// block.6 lost a layer and looks like block.4, which is absent.
TEST(KeyMatch, ANumberIsNoProofWhereAnotherTargetFitsAsWell) {
  const auto norm = [](const std::string& name) {
    return std::vector<KeyInfo>{key(name + ".weight", {4}), key(name + ".bias", {4})};
  };
  std::vector<KeyInfo> targets = {key("block.2.weight", {3})};
  for (const char* name : {"block.4.0", "block.6.2", "block.6.5"}) {
    for (const KeyInfo& each : norm(name)) targets.push_back(each);
  }
  targets.push_back(key("block.8.weight", {5}));
  std::vector<KeyInfo> sources = {targets.front()};
  for (const KeyInfo& each : norm("block.6.2")) sources.push_back(each);
  sources.push_back(targets.back());
  for (const KeyMatch& each : match(targets, sources).matching.matches) {
    EXPECT_EQ(targets[each.target].name, sources[*each.source].name);
  }
}

TEST(KeyMatch, FewerLayersByTheirNames) {
  const Found fewer =
      match(keys({"f.0.weight", "f.1.weight"}), keys({"f.0.weight", "f.1.weight", "f.2.weight"}));
  EXPECT_THAT(fewer.matches,
              ElementsAre("f.0.weight <- f.0.weight (exact)", "f.1.weight <- f.1.weight (exact)"));
  const Found more =
      match(keys({"f.0.weight", "f.1.weight", "f.2.weight"}), keys({"f.0.weight", "f.1.weight"}));
  EXPECT_EQ(more.matches.size(), 2U);
  EXPECT_THAT(more.unmatched, ElementsAre("f.2.weight: absent"));
}

TEST(KeyMatch, TheOnlyOneThatFits) {
  const Found found = match({key("body.weight"), key("head.weight", {10, 4}), key("head.bias", {10})},
                            {key("body.weight"), key("fc.weight", {10, 4}), key("fc.bias", {10})});
  EXPECT_THAT(found.matches,
              ElementsAre("body.weight <- body.weight (exact)", "head.weight <- fc.weight (only-fit)",
                          "head.bias <- fc.bias (only-fit)"));
}

TEST(KeyMatch, OrderProvesRenamedLayers) {
  const Found found = match(keys({"fc.weight", "linear1.weight", "linear2.weight"}),
                            keys({"fc.weight", "dense_a.weight", "dense_b.weight"}));
  EXPECT_THAT(found.matches,
              ElementsAre("fc.weight <- fc.weight (exact)", "linear1.weight <- dense_a.weight (order)",
                          "linear2.weight <- dense_b.weight (order)"));
}

TEST(KeyMatch, OrderProvesNothingWhereItIsNotKept) {
  const auto targets = keys({"same.weight", "linear_x.weight", "linear_y.weight"});
  const auto sources = keys({"same.weight", "dense_a.weight", "dense_b.weight"});
  EXPECT_EQ(match(targets, sources, {.source_order_known = false}).unmatched.size(), 2U);
  EXPECT_EQ(match(targets, sources, {.target_order_known = false}).unmatched.size(), 2U);
  // Numbers are an order of their own.
  EXPECT_TRUE(match(keys({"same.weight", "stage0.weight", "stage1.weight"}),
                    keys({"same.weight", "layer2.weight", "layer1.weight"}), {.source_order_known = false})
                  .matching.is_complete());
}

TEST(KeyMatch, NamesMaySpeakAgainstTheOrder) {
  const Found swapped = match(keys({"same.weight", "key.weight", "query.weight"}),
                              keys({"same.weight", "q.weight", "k.weight"}));
  EXPECT_THAT(swapped.unmatched, ElementsAre("key.weight: ambiguous q.weight k.weight",
                                             "query.weight: ambiguous q.weight k.weight"));
  const Found shifted =
      match(keys({"same.weight", "b_new.weight", "c.weight"}), keys({"same.weight", "a.weight", "b.weight"}));
  EXPECT_EQ(shifted.unmatched.size(), 2U);
  const Found numbers = match(keys({"same.weight", "l1.weight", "l2.weight"}),
                              keys({"same.weight", "fc2.weight", "fc1.weight"}));
  EXPECT_EQ(numbers.unmatched.size(), 2U);
}

// conv1..3 against conv0..2: two exact names and one that is left over must not be paired across them.
TEST(KeyMatch, NeighboursOfTheSameKindKeepTheirPlaces) {
  for (const bool order_known : {true, false}) {
    const Found found =
        match(keys({"conv0.weight", "conv1.weight", "conv2.weight"}),
              keys({"conv1.weight", "conv2.weight", "conv3.weight"}), {.source_order_known = order_known});
    EXPECT_THAT(found.unmatched, ElementsAre("conv0.weight: ambiguous conv3.weight"));
  }
}

TEST(KeyMatch, MoreThanOneCandidate) {
  const Found found = match(keys({"same.weight", "x.weight"}), keys({"same.weight", "a.weight", "b.weight"}));
  EXPECT_THAT(found.unmatched, ElementsAre("x.weight: ambiguous a.weight b.weight"));
  EXPECT_THAT(found.extra, ElementsAre("a.weight", "b.weight"));
}

TEST(KeyMatch, LayersGroupedOtherwise) {
  const Found found =
      match({key("stages.0.conv.weight", {8, 3}), key("stages.1.conv.weight", {8, 8}),
             key("stages.1.fc.weight", {2, 8})},
            {key("layer1.w.weight", {8, 3}), key("layer2.w.weight", {8, 8}), key("out.weight", {2, 8})});
  EXPECT_TRUE(found.matching.is_complete());
  EXPECT_EQ(found.matches[2], "stages.1.fc.weight <- out.weight (order)");
}

TEST(KeyMatch, FixedNamesAreNeverAnothersNewName) {
  const Found found =
      match({key("n.weight", {4}), key("n.scale", {4})}, {key("n.weight", {4}), key("n.running_mean", {4})});
  EXPECT_THAT(found.unmatched, ElementsAre("n.scale: absent"));
  const Found old =
      match({key("n.weight", {4}), key("n.bias", {4})}, {key("n.beta", {4}), key("n.gamma", {4})});
  EXPECT_THAT(old.matches, ElementsAre("n.weight <- n.gamma (only-fit)", "n.bias <- n.beta (only-fit)"));
}

TEST(KeyMatch, ShapesMustFit) {
  const Found found = match({key("fc.weight", {10, 4}), key("fc.bias", {10})},
                            {key("fc.weight", {5, 4}), key("fc.bias", {10})});
  EXPECT_THAT(found.matches, ElementsAre("fc.bias <- fc.bias (exact)"));
  EXPECT_THAT(found.unmatched, ElementsAre("fc.weight: shape fc.weight"));
}

TEST(KeyMatch, TransposedMatricesAreOfferedOnly) {
  const std::vector<KeyInfo> targets{key("fc.weight", {10, 4}), key("out.weight", {4, 4})};
  const std::vector<KeyInfo> sources{key("fc.weight", {4, 10}), key("out.weight", {4, 4})};
  EXPECT_THAT(match(targets, sources).unmatched, ElementsAre("fc.weight: transposed fc.weight"));
  EXPECT_THAT(match(targets, sources, {.allow_transpose = true}).matches,
              ElementsAre("fc.weight <- fc.weight (exact, turned)", "out.weight <- out.weight (exact)"));
}

TEST(KeyMatch, OneElementIsTakenForAScalarNotTheOtherWayRound) {
  EXPECT_TRUE(match({key("t", {})}, {key("t", {1})}).matching.matches[0].reshape);
  EXPECT_THAT(match({key("t", {1})}, {key("t", {})}).unmatched, ElementsAre("t: shape t"));
}

TEST(KeyMatch, BatchCountersBeginAtZero) {
  const std::vector<KeyInfo> targets{key("bn.weight", {4}), key("bn.running_mean", {4}),
                                     counter("bn.num_batches_tracked")};
  const Found found = match(targets, {key("module.bn.weight", {4}), key("module.bn.running_mean", {4})});
  EXPECT_EQ(found.matches.back(), "bn.num_batches_tracked <- 0 (filled)");
  // Without its running mean it is no batch norm's.
  EXPECT_THAT(match(targets, {key("bn.weight", {4})}).unmatched,
              ElementsAre("bn.running_mean: absent", "bn.num_batches_tracked: absent"));
  // It moves with its layer, whatever else was renamed.
  const Found moved = match(
      targets, {key("norm.weight", {4}), key("norm.running_mean", {4}), counter("norm.num_batches_tracked")});
  EXPECT_EQ(moved.matches.back(), "bn.num_batches_tracked <- norm.num_batches_tracked (only-fit)");
}

TEST(KeyMatch, WeightNormBothWays) {
  const std::vector<KeyInfo> old{key("c.bias", {4}), key("c.weight_g", {4, 1}), key("c.weight_v", {4, 3})};
  const std::vector<KeyInfo> now{key("c.bias", {4}), key("c.parametrizations.weight.original0", {4, 1}),
                                 key("c.parametrizations.weight.original1", {4, 3})};
  const Found found = match(now, old);
  EXPECT_THAT(found.matches, ElementsAre("c.bias <- c.bias (exact)",
                                         "c.parametrizations.weight.original0 <- c.weight_g (weight-norm)",
                                         "c.parametrizations.weight.original1 <- c.weight_v (weight-norm)"));
  EXPECT_TRUE(match(old, now).matching.is_complete());
}

TEST(KeyMatch, TiedTargets) {
  std::vector<KeyInfo> targets = keys({"enc.weight", "dec.weight"});
  targets[1].tied_to = 0;
  EXPECT_THAT(match(targets, keys({"enc.weight"})).matches,
              ElementsAre("enc.weight <- enc.weight (exact)", "dec.weight <- enc.weight (tied)"));
  EXPECT_THAT(match(targets, keys({"dec.weight"})).matches,
              ElementsAre("enc.weight <- dec.weight (tied)", "dec.weight <- dec.weight (exact)"));
}

TEST(KeyMatch, TheCallersMapGoesFirst) {
  const auto targets = keys({"x.weight", "y.weight"});
  const auto sources = keys({"a.weight", "b.weight"});
  const Found found = match(targets, sources, {.map = {{"x.weight", "b.weight"}}});
  EXPECT_THAT(found.matches, ElementsAre("x.weight <- b.weight (map)", "y.weight <- a.weight (only-fit)"));
  const auto fails = [&](MapEntry entry) {
    EXPECT_ERROR(match(targets, {key("a.weight"), key("flat.weight", {2, 8})}, {.map = {std::move(entry)}}),
                 ErrorCode::kInvalidArgument);
  };
  fails({"nothing", "a.weight"});
  fails({"x.weight", "nothing"});
  fails({"x.weight", "flat.weight"});
  fails({"x.weight", "flat.weight", true});
  EXPECT_ERROR(match(targets, sources, {.map = {{"x.weight", "a.weight"}, {"x.weight", "b.weight"}}}),
               ErrorCode::kInvalidArgument);
  EXPECT_TRUE(match({key("x", {2, 3})}, {key("y", {3, 2})}, {.map = {{"x", "y", true}}})
                  .matching.matches[0]
                  .transpose);
  EXPECT_FALSE(
      match(targets, sources, {.map = {{"x.weight", std::nullopt}}}).matching.matches[0].source.has_value());
}

}  // namespace
}  // namespace sconce::toolbox
