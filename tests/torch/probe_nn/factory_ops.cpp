#include "ops.h"
#include "sconce/tensor/random.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;

TensorOptions options(const OpCall& c, DType fallback = kFloat32) {
  return {.dtype = c.get("dtype", fallback)};
}
Shape size(const OpCall& c) { return c.get("size", Shape()); }
Scalar scalar(const OpCall& c, const char* name, Scalar fallback = 0) { return c.get(name, fallback); }

const OpFamily kConstants{
    {"zeros", [](const OpCall& c) { return Results{zeros(size(c), options(c))}; }},
    {"ones", [](const OpCall& c) { return Results{ones(size(c), options(c))}; }},
    {"full",
     [](const OpCall& c) {
       const Scalar value = scalar(c, "fill_value");
       return Results{c.options.has("dtype") ? full(size(c), value, options(c)) : full(size(c), value)};
     }},
    {"eye",
     [](const OpCall& c) {
       const std::int64_t n = c.get("n", std::int64_t{0});
       return Results{c.options.has("m") ? eye(n, c.get("m", n), options(c)) : eye(n, options(c))};
     }},
    {"arange",
     [](const OpCall& c) {
       const Scalar end = scalar(c, "end");
       if (!c.options.has("start")) return Results{arange(end)};
       const Scalar start = scalar(c, "start");
       const Scalar step = scalar(c, "step", 1);
       return Results{c.options.has("dtype") ? arange(start, end, step, options(c))
                                             : arange(start, end, step)};
     }},
    {"linspace",
     [](const OpCall& c) {
       return Results{
           linspace(c.get("start", 0.0), c.get("end", 0.0), c.get("steps", std::int64_t{0}), options(c))};
     }},
    {"empty", [](const OpCall& c) { return Results{empty(size(c), options(c)).fill_(1)}; }},
    {"empty_like", [](const OpCall& c) { return Results{empty_like(c[0]).fill_(1)}; }},
    {"zeros_like", [](const OpCall& c) { return Results{zeros_like(c[0])}; }},
    {"ones_like", [](const OpCall& c) { return Results{ones_like(c[0])}; }},
    {"full_like", [](const OpCall& c) { return Results{full_like(c[0], scalar(c, "fill_value"))}; }},
};

// The drawn tensor after seeding, and where that leaves the generator.
template <class Draw>
Results drawn(const OpCall& c, const Draw& draw) {
  manual_seed(static_cast<std::uint64_t>(c.get("seed", std::int64_t{0})));
  const Tensor values = draw();
  return {values, default_generator().state()};
}

const OpFamily kDraws{
    {"rand", [](const OpCall& c) { return drawn(c, [&] { return rand(size(c), options(c)); }); }},
    {"randn", [](const OpCall& c) { return drawn(c, [&] { return randn(size(c), options(c)); }); }},
    {"randint",
     [](const OpCall& c) {
       const auto bound = [&](const char* name) { return c.get(name, std::int64_t{0}); };
       return drawn(c, [&] { return randint(bound("low"), bound("high"), size(c), options(c, kInt64)); });
     }},
    {"randperm",
     [](const OpCall& c) { return drawn(c, [&] { return randperm(c.get("n", std::int64_t{0})); }); }},
    {"bernoulli", [](const OpCall& c) { return drawn(c, [&] { return bernoulli(c[0]); }); }},
    {"rand_like", [](const OpCall& c) { return drawn(c, [&] { return rand_like(c[0]); }); }},
    {"randn_like", [](const OpCall& c) { return drawn(c, [&] { return randn_like(c[0]); }); }},
};

}  // namespace
}  // namespace sconce::probe
