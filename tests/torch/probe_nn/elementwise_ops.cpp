#include "ops.h"
#include "sconce/tensor/elementwise.h"

namespace sconce::probe {
namespace {

using Results = std::vector<Tensor>;

const OpFamily kArithmetic{
    {"add", [](const OpCall& c) { return Results{add(c[0], c[1], c.get("alpha", Scalar(1)))}; }},
    {"sub", [](const OpCall& c) { return Results{sub(c[0], c[1], c.get("alpha", Scalar(1)))}; }},
    {"mul", [](const OpCall& c) { return Results{c[0] * c[1]}; }},
    {"div", [](const OpCall& c) { return Results{c[0] / c[1]}; }},
    {"add_scalar", [](const OpCall& c) { return Results{c[0] + c.get("other", Scalar(0))}; }},
    {"sub_scalar", [](const OpCall& c) { return Results{c[0] - c.get("other", Scalar(0))}; }},
    {"mul_scalar", [](const OpCall& c) { return Results{c[0] * c.get("other", Scalar(0))}; }},
    {"div_scalar", [](const OpCall& c) { return Results{c[0] / c.get("other", Scalar(0))}; }},
    {"scalar_sub", [](const OpCall& c) { return Results{c.get("other", Scalar(0)) - c[0]}; }},
    {"scalar_div", [](const OpCall& c) { return Results{c.get("other", Scalar(0)) / c[0]}; }},
    {"pow", [](const OpCall& c) { return Results{pow(c[0], c[1])}; }},
    {"pow_scalar", [](const OpCall& c) { return Results{pow(c[0], c.get("exponent", Scalar(0)))}; }},
    {"scalar_pow", [](const OpCall& c) { return Results{pow(c.get("base", Scalar(0)), c[0])}; }},
    {"maximum", [](const OpCall& c) { return Results{maximum(c[0], c[1])}; }},
    {"minimum", [](const OpCall& c) { return Results{minimum(c[0], c[1])}; }},
    {"clamp",
     [](const OpCall& c) {
       return Results{
           clamp(c[0], c.get("min", std::optional<Scalar>()), c.get("max", std::optional<Scalar>()))};
     }},
};

const OpFamily kFunctions{
    {"neg", [](const OpCall& c) { return Results{-c[0]}; }},
    {"abs", [](const OpCall& c) { return Results{abs(c[0])}; }},
    {"sign", [](const OpCall& c) { return Results{sign(c[0])}; }},
    {"exp", [](const OpCall& c) { return Results{exp(c[0])}; }},
    {"log", [](const OpCall& c) { return Results{log(c[0])}; }},
    {"sqrt", [](const OpCall& c) { return Results{sqrt(c[0])}; }},
    {"reciprocal", [](const OpCall& c) { return Results{reciprocal(c[0])}; }},
    {"sin", [](const OpCall& c) { return Results{sin(c[0])}; }},
    {"cos", [](const OpCall& c) { return Results{cos(c[0])}; }},
    {"tanh", [](const OpCall& c) { return Results{tanh(c[0])}; }},
    {"sigmoid", [](const OpCall& c) { return Results{sigmoid(c[0])}; }},
    {"relu", [](const OpCall& c) { return Results{relu(c[0])}; }},
    {"square", [](const OpCall& c) { return Results{square(c[0])}; }},
};

const OpFamily kChoices{
    {"eq", [](const OpCall& c) { return Results{c[0] == c[1]}; }},
    {"ne", [](const OpCall& c) { return Results{c[0] != c[1]}; }},
    {"lt", [](const OpCall& c) { return Results{c[0] < c[1]}; }},
    {"le", [](const OpCall& c) { return Results{c[0] <= c[1]}; }},
    {"gt", [](const OpCall& c) { return Results{c[0] > c[1]}; }},
    {"ge", [](const OpCall& c) { return Results{c[0] >= c[1]}; }},
    {"eq_scalar", [](const OpCall& c) { return Results{c[0] == c.get("other", Scalar(0))}; }},
    {"ne_scalar", [](const OpCall& c) { return Results{c[0] != c.get("other", Scalar(0))}; }},
    {"lt_scalar", [](const OpCall& c) { return Results{c[0] < c.get("other", Scalar(0))}; }},
    {"le_scalar", [](const OpCall& c) { return Results{c[0] <= c.get("other", Scalar(0))}; }},
    {"gt_scalar", [](const OpCall& c) { return Results{c[0] > c.get("other", Scalar(0))}; }},
    {"ge_scalar", [](const OpCall& c) { return Results{c[0] >= c.get("other", Scalar(0))}; }},
    {"isnan", [](const OpCall& c) { return Results{isnan(c[0])}; }},
    {"logical_and", [](const OpCall& c) { return Results{logical_and(c[0], c[1])}; }},
    {"logical_or", [](const OpCall& c) { return Results{logical_or(c[0], c[1])}; }},
    {"logical_not", [](const OpCall& c) { return Results{logical_not(c[0])}; }},
    {"where", [](const OpCall& c) { return Results{where(c[0], c[1], c[2])}; }},
    {"where_scalar", [](const OpCall& c) { return Results{where(c[0], c[1], c.get("other", Scalar(0)))}; }},
    {"masked_fill",
     [](const OpCall& c) { return Results{masked_fill(c[0], c[1], c.get("value", Scalar(0)))}; }},
};

}  // namespace
}  // namespace sconce::probe
