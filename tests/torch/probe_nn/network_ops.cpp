#include "ops.h"
#include "sconce/nn/functional.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/factory.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;
namespace F = nn::functional;

// The same numbers from a convolution, which leaves them in blocks of channels and finds its gradient there.
Tensor same_in_blocks(const Tensor& x) {
  return conv2d(x, eye(x.size(1)).view({x.size(1), x.size(1), 1, 1}));
}

const OpFamily kProducts{
    {"matmul", [](const OpCall& c) { return Results{matmul(c[0], c[1])}; }},
    {"mm", [](const OpCall& c) { return Results{mm(c[0], c[1])}; }},
    {"bmm", [](const OpCall& c) { return Results{bmm(c[0], c[1])}; }},
    {"addmm", [](const OpCall& c) { return Results{addmm(c[0], c[1], c[2])}; }},
    {"linear", [](const OpCall& c) { return Results{linear(c[0], c[1], c[2])}; }},
};

const OpFamily kImages{
    {"conv2d",
     [](const OpCall& c) {
       return Results{F::conv2d(c[0], c[1], c[2],
                                {.stride = c.get("stride", Pair(1)),
                                 .padding = c.get("padding", nn::ConvPadding(0)),
                                 .dilation = c.get("dilation", Pair(1)),
                                 .groups = c.get("groups", std::int64_t{1})})};
     }},
    // A convolution as it stands in a network: between others.
    {"conv2d_in_blocks",
     [](const OpCall& c) {
       const Conv2dParams params{.stride = c.get("stride", Pair(1)), .padding = c.get("padding", Pair(0))};
       return Results{same_in_blocks(conv2d(same_in_blocks(c[0]), c[1], c[2], params))};
     }},
    {"max_pool2d",
     [](const OpCall& c) {
       return both(F::max_pool2d_with_indices(c[0], c.get("kernel_size", Pair(1)),
                                              {.stride = c.get("stride", kSameAsKernel),
                                               .padding = c.get("padding", Pair(0)),
                                               .dilation = c.get("dilation", Pair(1)),
                                               .ceil_mode = c.get("ceil_mode", false)}));
     }},
    {"avg_pool2d",
     [](const OpCall& c) {
       return Results{
           F::avg_pool2d(c[0], c.get("kernel_size", Pair(1)),
                         {.stride = c.get("stride", kSameAsKernel),
                          .padding = c.get("padding", Pair(0)),
                          .ceil_mode = c.get("ceil_mode", false),
                          .count_include_pad = c.get("count_include_pad", true),
                          .divisor_override = c.get("divisor_override", std::optional<std::int64_t>())})};
     }},
    {"adaptive_avg_pool2d",
     [](const OpCall& c) { return Results{F::adaptive_avg_pool2d(c[0], c.get("output_size", Pair(1)))}; }},
    {"pad",
     [](const OpCall& c) {
       return Results{
           F::pad(c[0], c.get("pad", Dims()), c.get("mode", PadMode::kConstant), c.get("value", 0.0))};
     }},
    // inputs: x, running mean, running variance, weight, bias; the running statistics, where there are any,
    // are results, too.
    {"batch_norm",
     [](const OpCall& c) {
       const Tensor y = F::batch_norm(c[0], c[1], c[2], c[3], c[4],
                                      {.training = c.get("training", false),
                                       .momentum = c.get("momentum", 0.1),
                                       .eps = c.get("eps", 1e-5)});
       return c[1].defined() ? Results{y, c[1], c[2]} : Results{y};
     }},
};

const OpFamily kLosses{
    {"cross_entropy",
     [](const OpCall& c) { return Results{F::cross_entropy(c[0], c[1], cross_entropy_options(c.options))}; }},
    {"nll_loss",
     [](const OpCall& c) {
       return Results{F::nll_loss(c[0], c[1],
                                  {.weight = c.get("weight", Tensor()),
                                   .ignore_index = c.get("ignore_index", kIgnoreIndex),
                                   .reduction = c.get("reduction", Reduction::kMean)})};
     }},
    {"mse_loss",
     [](const OpCall& c) { return Results{F::mse_loss(c[0], c[1], c.get("reduction", Reduction::kMean))}; }},
};

}  // namespace
}  // namespace sconce::probe
