#include "ops.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;

Scalar other(const OpCall& c) { return c.get("other", Scalar(0)); }
Scalar alpha(const OpCall& c) { return c.get("alpha", Scalar(1)); }

// Each writes to a copy of its first input, so that leaves can be given.
const OpFamily kInPlace{
    {"add_", [](const OpCall& c) { return Results{c[0].clone().add_(c[1], alpha(c))}; }},
    {"sub_", [](const OpCall& c) { return Results{c[0].clone().sub_(c[1], alpha(c))}; }},
    {"mul_", [](const OpCall& c) { return Results{c[0].clone().mul_(c[1])}; }},
    {"div_", [](const OpCall& c) { return Results{c[0].clone().div_(c[1])}; }},
    {"copy_", [](const OpCall& c) { return Results{c[0].clone().copy_(c[1])}; }},
    {"add_scalar_", [](const OpCall& c) { return Results{c[0].clone().add_(other(c))}; }},
    {"mul_scalar_", [](const OpCall& c) { return Results{c[0].clone().mul_(other(c))}; }},
    {"div_scalar_", [](const OpCall& c) { return Results{c[0].clone().div_(other(c))}; }},
    {"fill_", [](const OpCall& c) { return Results{c[0].clone().fill_(c.get("value", Scalar(0)))}; }},
    {"zero_", [](const OpCall& c) { return Results{c[0].clone().zero_()}; }},
};

}  // namespace
}  // namespace sconce::probe
