#include "ops.h"
#include "sconce/tensor/reduce.h"
#include "sconce/tensor/softmax.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;

std::int64_t dim(const OpCall& c) { return c.get("dim", std::int64_t{0}); }
Dims dims(const OpCall& c) { return c.get("dim", Dims()); }
bool keepdim(const OpCall& c) { return c.get("keepdim", false); }
double correction(const OpCall& c) { return c.get("correction", 1.0); }

const OpFamily kSums{
    {"sum", [](const OpCall& c) { return Results{sum(c[0])}; }},
    {"sum_dims", [](const OpCall& c) { return Results{sum(c[0], dims(c), keepdim(c))}; }},
    {"sum_dim", [](const OpCall& c) { return Results{sum(c[0], dim(c), keepdim(c))}; }},
    {"mean", [](const OpCall& c) { return Results{mean(c[0])}; }},
    {"mean_dims", [](const OpCall& c) { return Results{mean(c[0], dims(c), keepdim(c))}; }},
    {"mean_dim", [](const OpCall& c) { return Results{mean(c[0], dim(c), keepdim(c))}; }},
    {"var", [](const OpCall& c) { return Results{var(c[0], correction(c))}; }},
    {"var_dims", [](const OpCall& c) { return Results{var(c[0], dims(c), correction(c), keepdim(c))}; }},
    {"std", [](const OpCall& c) { return Results{stddev(c[0], correction(c))}; }},
    {"std_dims", [](const OpCall& c) { return Results{stddev(c[0], dims(c), correction(c), keepdim(c))}; }},
    {"norm", [](const OpCall& c) { return Results{norm(c[0], c.get("p", 2.0))}; }},
    {"norm_dims", [](const OpCall& c) { return Results{norm(c[0], c.get("p", 2.0), dims(c), keepdim(c))}; }},
    {"prod", [](const OpCall& c) { return Results{prod(c[0])}; }},
    {"prod_dim", [](const OpCall& c) { return Results{prod(c[0], dim(c), keepdim(c))}; }},
    {"softmax", [](const OpCall& c) { return Results{softmax(c[0], dim(c))}; }},
    {"log_softmax", [](const OpCall& c) { return Results{log_softmax(c[0], dim(c))}; }},
};

const OpFamily kExtremes{
    {"max", [](const OpCall& c) { return Results{max(c[0])}; }},
    {"min", [](const OpCall& c) { return Results{min(c[0])}; }},
    {"max_dim", [](const OpCall& c) { return both(max(c[0], dim(c), keepdim(c))); }},
    {"min_dim", [](const OpCall& c) { return both(min(c[0], dim(c), keepdim(c))); }},
    {"argmax", [](const OpCall& c) { return Results{argmax(c[0])}; }},
    {"argmin", [](const OpCall& c) { return Results{argmin(c[0])}; }},
    {"argmax_dim", [](const OpCall& c) { return Results{argmax(c[0], dim(c), keepdim(c))}; }},
    {"argmin_dim", [](const OpCall& c) { return Results{argmin(c[0], dim(c), keepdim(c))}; }},
    {"all", [](const OpCall& c) { return Results{all(c[0])}; }},
    {"any", [](const OpCall& c) { return Results{any(c[0])}; }},
    {"all_dim", [](const OpCall& c) { return Results{all(c[0], dim(c), keepdim(c))}; }},
    {"any_dim", [](const OpCall& c) { return Results{any(c[0], dim(c), keepdim(c))}; }},
};

}  // namespace
}  // namespace sconce::probe
