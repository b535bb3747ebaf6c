#include "kernels/dnnl/conv.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/dnnl/runtime.h"
#include "kernels/dnnl/scratch.h"
#include "kernels/dnnl/signal_shield.h"
#include "sconce/base/error.h"
#include "sconce/kernels/backend.h"

namespace sconce::kernels::onednn {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

enum class Pass : std::int64_t { kForward, kForwardBias, kBackwardInput, kBackwardWeight };

// How an image or a gradient lies in memory: 0 in planes, else in blocks of so many channels.
using Block = std::int64_t;

bool is_exact() { return backend() != Backend::kDefault; }

Block block_of(const Array& image) { return image.rank() == 5 ? image.shape()[4] : 0; }

// One pass of a convolution, and what its primitive depends on besides the number of threads.
struct Job {
  Pass pass;
  ConvSizes sizes;
  Block image = 0;   // or its gradient
  Block result = 0;  // or its gradient
  bool exact = false;
  Use use = Use::kTraining;
};

using Key = std::array<std::int64_t, 20>;

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::uint64_t hash = 0;
    for (const std::int64_t part : key) {
      hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15ULL;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

Key make_key(const Job& job, int threads) {
  const ConvSizes& s = job.sizes;
  const Conv2dParams& p = s.params;
  return {static_cast<std::int64_t>(job.pass),
          s.batch,
          s.in_channels,
          s.out_channels,
          s.in.h,
          s.in.w,
          s.kernel.h,
          s.kernel.w,
          p.stride.h,
          p.stride.w,
          p.padding.h,
          p.padding.w,
          p.dilation.h,
          p.dilation.w,
          p.groups,
          job.image,
          job.result,
          job.exact ? 1 : 0,
          static_cast<std::int64_t>(job.use),
          threads};
}

// A primitive with the scratch memory it wants. The memory is ours, so that threads can share a primitive.
struct Step {
  dnnl::primitive primitive;
  Desc scratchpad;

  void run(std::unordered_map<int, dnnl::memory> arguments) const {
    const std::size_t bytes = scratchpad.get_size();
    if (bytes == 0) return primitive.execute(stream(), arguments);
    const auto run_in = [&](std::byte* scratch) {
      arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratchpad, engine(), scratch));
      primitive.execute(stream(), arguments);
    };
    if (bytes >= kHugePage) return run_in(ScratchPool::Lease(scratch_pool(), bytes).data());
    run_in(Array::empty({static_cast<std::int64_t>(bytes)}, kUInt8).mutable_raw());
  }
};

// One argument: our plain layout outside, the layout the primitive asked for inside.
struct Operand {
  int argument = 0;
  Desc outside;
  Desc inside;
  std::shared_ptr<const Step> reorder;  // null when both are the same
};

struct Plan {
  Step compute;
  bool has_gemm = false;  // whether it multiplies matrices within, see signal_shield.h
  std::vector<Operand> inputs;
  Operand output;
};

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

std::shared_ptr<const Step> make_reorder(const Desc& from, const Desc& to) {
  if (from == to) return nullptr;
  const dnnl::reorder::primitive_desc description(engine(), from, engine(), to, attributes());
  return std::make_shared<const Step>(Step{dnnl::reorder(description), description.scratchpad_desc()});
}

// False when oneDNN only has its own slow reference code for the shape.
template <class PrimitiveDesc>
bool is_fast(const PrimitiveDesc& description) {
  return !std::string_view(description.impl_info_str()).starts_with("ref");
}

// The descriptions of one convolution: `any` lets oneDNN choose the layout, plain is what our arrays have.
struct Descriptions {
  Descriptions(const Job& job, dnnl::algorithm how)
      : algorithm(how),
        kind(job.use == Use::kInference ? dnnl::prop_kind::forward_inference
                                        : dnnl::prop_kind::forward_training) {
    const ConvSizes& s = job.sizes;
    const Conv2dParams& p = s.params;
    const auto f32 = dnnl::memory::data_type::f32;
    const dnnl::memory::dims image_dims{s.batch, s.in_channels, s.in.h, s.in.w};
    const dnnl::memory::dims output_dims{s.batch, s.out_channels, s.out.h, s.out.w};
    const bool grouped = p.groups > 1;
    const dnnl::memory::dims weight_dims =
        grouped ? dnnl::memory::dims{p.groups, s.group_out(), s.group_in(), s.kernel.h, s.kernel.w}
                : dnnl::memory::dims{s.out_channels, s.in_channels, s.kernel.h, s.kernel.w};
    image = Desc(image_dims, f32, tag_of(job.image));
    result = Desc(output_dims, f32, tag_of(job.result));
    weight = Desc(weight_dims, f32, grouped ? Tag::goihw : Tag::oihw);
    bias = Desc({s.out_channels}, f32, Tag::x);
    any_image = Desc(image_dims, f32, Tag::any);
    any_result = Desc(output_dims, f32, Tag::any);
    any_weight = Desc(weight_dims, f32, Tag::any);
    stride = {p.stride.h, p.stride.w};
    padding = {p.padding.h, p.padding.w};
    dilation = {p.dilation.h - 1, p.dilation.w - 1};  // oneDNN counts the gaps
  }

  static Tag tag_of(Block block) { return block == 0 ? Tag::nchw : block == 8 ? Tag::nChw8c : Tag::nChw16c; }

  dnnl::algorithm algorithm;
  dnnl::prop_kind kind;
  Desc image, result, weight, bias, any_image, any_result, any_weight;
  dnnl::memory::dims stride, padding, dilation;
};

dnnl::convolution_forward::primitive_desc describe_forward(const Descriptions& d, bool with_bias) {
  using Forward = dnnl::convolution_forward;
  const Forward::desc description =
      with_bias ? Forward::desc(d.kind, d.algorithm, d.any_image, d.any_weight, d.bias, d.any_result,
                                d.stride, d.dilation, d.padding, d.padding)
                : Forward::desc(d.kind, d.algorithm, d.any_image, d.any_weight, d.any_result, d.stride,
                                d.dilation, d.padding, d.padding);
  return {description, attributes(), engine()};
}

template <class Backward>
typename Backward::primitive_desc describe_backward(const Descriptions& d) {
  return {typename Backward::desc(d.algorithm, d.any_image, d.any_weight, d.any_result, d.stride, d.dilation,
                                  d.padding, d.padding),
          attributes(), engine(), describe_forward(d, false)};
}

// What an argument of a primitive is, and the layout our array has.
struct Role {
  int argument;
  const Desc& outside;
};

// Null when oneDNN has nothing fast.
template <class Primitive>
std::shared_ptr<const Plan> make_plan(const typename Primitive::primitive_desc& description,
                                      const std::vector<Role>& inputs, const Role& output) {
  if (!is_fast(description)) return nullptr;
  const auto inside = [&](const Role& role) {
    return description.query_md(dnnl::query::exec_arg_md, role.argument);
  };
  const bool has_gemm = std::string_view(description.impl_info_str()).find("gemm") != std::string_view::npos;
  Plan plan{{Primitive(description), description.scratchpad_desc()}, has_gemm, {}, {}};
  for (const Role& role : inputs) {
    const Desc wanted = inside(role);
    plan.inputs.push_back({role.argument, role.outside, wanted, make_reorder(role.outside, wanted)});
  }
  const Desc made = inside(output);
  plan.output = {output.argument, output.outside, made, make_reorder(made, output.outside)};
  return std::make_shared<const Plan>(std::move(plan));
}

std::shared_ptr<const Plan> make_plan(Pass pass, const Descriptions& d) {
  using Forward = dnnl::convolution_forward;
  using BackwardInput = dnnl::convolution_backward_data;
  using BackwardWeight = dnnl::convolution_backward_weights;
  switch (pass) {
    case Pass::kForward:
      return make_plan<Forward>(describe_forward(d, false),
                                {{DNNL_ARG_SRC, d.image}, {DNNL_ARG_WEIGHTS, d.weight}},
                                {DNNL_ARG_DST, d.result});
    case Pass::kForwardBias:
      return make_plan<Forward>(
          describe_forward(d, true),
          {{DNNL_ARG_SRC, d.image}, {DNNL_ARG_WEIGHTS, d.weight}, {DNNL_ARG_BIAS, d.bias}},
          {DNNL_ARG_DST, d.result});
    case Pass::kBackwardInput:
      return make_plan<BackwardInput>(describe_backward<BackwardInput>(d),
                                      {{DNNL_ARG_DIFF_DST, d.result}, {DNNL_ARG_WEIGHTS, d.weight}},
                                      {DNNL_ARG_DIFF_SRC, d.image});
    case Pass::kBackwardWeight:
      break;
  }
  return make_plan<BackwardWeight>(describe_backward<BackwardWeight>(d),
                                   {{DNNL_ARG_DIFF_DST, d.result}, {DNNL_ARG_SRC, d.image}},
                                   {DNNL_ARG_DIFF_WEIGHTS, d.weight});
}

bool is_unimplemented(const dnnl::error& error) {
  return error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments;
}

// Winograd's minimal filtering (Lavin and Gray 2015, F(4x4, 3x3)) takes a quarter of the multiplications. It
// rounds more: hence the switch. On small planes its tiles compute too much that nobody needs, and of few
// channels its transformations take longer than the products that it spares; but for the gradient of the
// weight, whose direct form is slower (DNNL_VERBOSE=1 tells what each takes).
bool suits_winograd(const Job& job) {
  constexpr std::int64_t kSmallestPlane = 8;
  constexpr std::int64_t kFewestChannels = 32;
  const ConvSizes& s = job.sizes;
  const bool is_large = std::min(s.out.h, s.out.w) >= kSmallestPlane &&
                        std::min(s.in_channels, s.out_channels) >= kFewestChannels;
  return !job.exact && s.kernel == Pair(3) && s.params.stride == Pair(1) && s.params.dilation == Pair(1) &&
         s.params.groups == 1 && job.image != 0 && job.result != 0 &&
         (is_large || job.pass == Pass::kBackwardWeight);
}

std::shared_ptr<const Plan> make_plan(const Job& job) {
  if (suits_winograd(job)) {
    try {
      return make_plan(job.pass, Descriptions(job, dnnl::algorithm::convolution_winograd));
    } catch (const dnnl::error& error) {
      if (!is_unimplemented(error)) throw;
    }
  }
  try {
    return make_plan(job.pass, Descriptions(job, dnnl::algorithm::convolution_direct));
  } catch (const dnnl::error& error) {
    if (!is_unimplemented(error)) throw;
    return nullptr;
  }
}

// Plans by key, shared by all threads. A null plan records that oneDNN has nothing fast for the key.
class PlanCache {
 public:
  // Runs under the number of threads in `key`, which the caller has set.
  std::shared_ptr<const Plan> get(const Key& key, const Job& job) {
    const std::scoped_lock lock(mutex_);
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    std::shared_ptr<const Plan> plan = make_plan(job);
    if (plans_.size() >= kCapacity) plans_.clear();
    plans_.emplace(key, plan);
    return plan;
  }

 private:
  // Networks whose image sizes never repeat must not collect primitives for ever.
  static constexpr std::size_t kCapacity = 1024;

  std::mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<const Plan>, KeyHash> plans_;
};

// Never destroyed: a thread may still compute while the process ends.
PlanCache& cache() {
  static PlanCache& instance = *new PlanCache;
  return instance;
}

Array buffer_for(const Desc& desc) {
  return Array::empty({static_cast<std::int64_t>(desc.get_size())}, kUInt8);
}

// oneDNN wants pointers it could write through; inputs are only read.
dnnl::memory view(const Desc& desc, const std::byte* data) {
  return {desc, engine(), const_cast<std::byte*>(data)};
}

// A weight in the order that a primitive wants, attached to the storage it was made of.
struct KeptWeight {
  Geometry geometry;
  Desc inside;
  Array array;
};

// The input in the order of `operand.inside`.
Array reordered(const Operand& operand, const Array& input) {
  Array inside = buffer_for(operand.inside);
  const dnnl::memory converted(operand.inside, engine(), inside.mutable_raw());
  const Array dense = input.contiguous();
  operand.reorder->run({{DNNL_ARG_FROM, view(operand.outside, dense.raw())}, {DNNL_ARG_TO, converted}});
  return inside;
}

Array reordered_once(const Operand& operand, const Array& weight) {
  static constexpr char kWho = 0;
  const Storage& storage = weight.storage();
  const auto kept = std::static_pointer_cast<const KeptWeight>(storage.attachment(&kWho));
  if (kept && kept->geometry == weight.geometry() && kept->inside == operand.inside) return kept->array;
  const std::uint32_t version = storage.version();
  Array made = reordered(operand, weight);
  KeptWeight keep{weight.geometry(), operand.inside, made};
  storage.attach(&kWho, std::make_shared<const KeptWeight>(std::move(keep)), version);
  return made;
}

void execute(const Plan& plan, Use use, const std::vector<const Array*>& inputs, Array& out) {
  std::vector<Array> kept;  // what the primitive reads must outlive it
  std::unordered_map<int, dnnl::memory> arguments;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const Operand& operand = plan.inputs[i];
    const bool is_kept = use == Use::kInference && operand.argument == DNNL_ARG_WEIGHTS;
    if (!operand.reorder) {
      kept.push_back(inputs[i]->contiguous());
      arguments.emplace(operand.argument, view(operand.outside, kept.back().raw()));
    } else {
      kept.push_back(is_kept ? reordered_once(operand, *inputs[i]) : reordered(operand, *inputs[i]));
      arguments.emplace(operand.argument, view(operand.inside, kept.back().raw()));
    }
  }
  const dnnl::memory result(plan.output.outside, engine(), out.mutable_raw());
  if (!plan.output.reorder) {
    arguments.emplace(plan.output.argument, result);
    plan.compute.run(std::move(arguments));
    return;
  }
  Array inside = buffer_for(plan.output.inside);
  const dnnl::memory computed(plan.output.inside, engine(), inside.mutable_raw());
  arguments.emplace(plan.output.argument, computed);
  plan.compute.run(std::move(arguments));
  plan.output.reorder->run({{DNNL_ARG_FROM, computed}, {DNNL_ARG_TO, result}});
}

// `shape` of (N, C, H, W), in blocks where they are not 0.
Shape in_blocks(const Shape& shape, Block block) {
  if (block == 0) return shape;
  return {shape[0], shape[1] / block, shape[2], shape[3], block};
}

Array convolve(const Job& job, const std::vector<const Array*>& inputs, const Shape& result_shape) {
  const int threads = thread_count(job.sizes.work());
  const ThreadScope scope(threads);
  const SignalShield shield;
  try {
    const std::shared_ptr<const Plan> plan = cache().get(make_key(job, threads), job);
    if (!plan) return {};
    if (plan->has_gemm) shield_team(threads);
    Array out = Array::empty(result_shape, kFloat32);
    execute(*plan, job.use, inputs, out);
    return out;
  } catch (const dnnl::error& error) {
    const bool memory = error.status == dnnl_out_of_memory;
    fail(memory ? ErrorCode::kLimit : ErrorCode::kUnsupported, "conv2d", "oneDNN failed: ", error.what());
  }
}

}  // namespace

Array conv2d(const ConvSizes& sizes, const Array& image, const Array& weight, const Array& bias,
             std::int64_t block, Use use) {
  const Pass pass = bias.defined() ? Pass::kForwardBias : Pass::kForward;
  std::vector<const Array*> inputs{&image, &weight};
  if (bias.defined()) inputs.push_back(&bias);
  return convolve({pass, sizes, block_of(image), block, is_exact(), use}, inputs,
                  in_blocks(sizes.output_shape(), block));
}

Array conv2d_backward_input(const ConvSizes& sizes, const Array& grad, const Array& weight,
                            std::int64_t block) {
  return convolve({Pass::kBackwardInput, sizes, block, block_of(grad), is_exact()}, {&grad, &weight},
                  in_blocks(sizes.image_shape(), block));
}

Array conv2d_backward_weight(const ConvSizes& sizes, const Array& grad, const Array& image) {
  return convolve({Pass::kBackwardWeight, sizes, block_of(image), block_of(grad), is_exact()},
                  {&grad, &image}, sizes.weight_shape());
}

}  // namespace sconce::kernels::onednn
