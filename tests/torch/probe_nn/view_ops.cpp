#include "ops.h"
#include "sconce/tensor/indexing.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;

std::int64_t integer(const OpCall& c, std::string_view name, std::int64_t fallback = 0) {
  return c.get(name, fallback);
}

const OpFamily kViews{
    {"view", [](const OpCall& c) { return Results{c[0].view(c.get("size", Shape()))}; }},
    {"reshape", [](const OpCall& c) { return Results{c[0].reshape(c.get("shape", Shape()))}; }},
    {"transpose",
     [](const OpCall& c) { return Results{c[0].transpose(integer(c, "dim0"), integer(c, "dim1"))}; }},
    {"t", [](const OpCall& c) { return Results{c[0].t()}; }},
    {"permute", [](const OpCall& c) { return Results{c[0].permute(c.get("dims", Dims()))}; }},
    {"select", [](const OpCall& c) { return Results{c[0].select(integer(c, "dim"), integer(c, "index"))}; }},
    {"narrow",
     [](const OpCall& c) {
       return Results{c[0].narrow(integer(c, "dim"), integer(c, "start"), integer(c, "length"))};
     }},
    {"slice",
     [](const OpCall& c) {
       return Results{c[0].slice(integer(c, "dim"), {.start = integer(c, "start"),
                                                     .stop = c.get("end", std::optional<std::int64_t>()),
                                                     .step = integer(c, "step", 1)})};
     }},
    // x[first, ..., None, start::step]
    {"index",
     [](const OpCall& c) {
       const Slice last{.start = integer(c, "start"), .stop = std::nullopt, .step = integer(c, "step", 1)};
       return Results{c[0].index({integer(c, "first"), Ellipsis{}, NewAxis{}, last})};
     }},
    {"expand", [](const OpCall& c) { return Results{c[0].expand(c.get("size", Shape()))}; }},
    {"squeeze", [](const OpCall& c) { return Results{c[0].squeeze()}; }},
    {"squeeze_dim", [](const OpCall& c) { return Results{c[0].squeeze(integer(c, "dim"))}; }},
    {"unsqueeze", [](const OpCall& c) { return Results{c[0].unsqueeze(integer(c, "dim"))}; }},
    {"flatten",
     [](const OpCall& c) {
       return Results{c[0].flatten(integer(c, "start_dim"), integer(c, "end_dim", -1))};
     }},
    {"contiguous", [](const OpCall& c) { return Results{c[0].contiguous()}; }},
    {"clone", [](const OpCall& c) { return Results{c[0].clone()}; }},
    {"to", [](const OpCall& c) { return Results{c[0].to(c.get("dtype", kFloat32))}; }},
    {"split", [](const OpCall& c) { return split(c[0], integer(c, "size"), integer(c, "dim")); }},
    {"split_sizes", [](const OpCall& c) { return split(c[0], c.get("sizes", Dims()), integer(c, "dim")); }},
    {"chunk", [](const OpCall& c) { return chunk(c[0], integer(c, "chunks"), integer(c, "dim")); }},
};

const OpFamily kIndexing{
    {"cat", [](const OpCall& c) { return Results{cat(c.inputs, integer(c, "dim"))}; }},
    {"stack", [](const OpCall& c) { return Results{stack(c.inputs, integer(c, "dim"))}; }},
    {"index_select", [](const OpCall& c) { return Results{index_select(c[0], integer(c, "dim"), c[1])}; }},
    {"index_add", [](const OpCall& c) { return Results{index_add(c[0], integer(c, "dim"), c[1], c[2])}; }},
    {"gather", [](const OpCall& c) { return Results{gather(c[0], integer(c, "dim"), c[1])}; }},
    {"scatter", [](const OpCall& c) { return Results{scatter(c[0], integer(c, "dim"), c[1], c[2])}; }},
    {"scatter_add",
     [](const OpCall& c) { return Results{scatter_add(c[0], integer(c, "dim"), c[1], c[2])}; }},
    {"embedding",
     [](const OpCall& c) { return Results{embedding(c[0], c[1], integer(c, "padding_idx", -1))}; }},
    {"one_hot", [](const OpCall& c) { return Results{one_hot(c[0], integer(c, "num_classes", -1))}; }},
    {"argsort",
     [](const OpCall& c) {
       return Results{argsort(c[0], integer(c, "dim", -1), c.get("descending", false))};
     }},
    {"topk",
     [](const OpCall& c) {
       return both(topk(c[0], integer(c, "k"), integer(c, "dim", -1), c.get("largest", true)));
     }},
};

}  // namespace
}  // namespace sconce::probe
