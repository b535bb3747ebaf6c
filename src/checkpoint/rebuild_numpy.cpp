// numpy's objects stay inert, but whole: tensors can stand on them (formats.md B.8).
#include "checkpoint/rebuild.h"
#include "sconce/checkpoint/objects.h"

namespace sconce::checkpoint {
namespace {

Rebuilt whole(ValueReader& reader, const Call& call) { return reader.inert_with_state(call.node); }

constexpr RebuildRow kNumpyRows[] = {
    {"numpy", "dtype", whole, true},
    {"numpy.core.multiarray", "_reconstruct", whole, true},
    {"numpy._core.multiarray", "_reconstruct", whole, true},
};

}  // namespace

std::span<const RebuildRow> numpy_rows() { return kNumpyRows; }

}  // namespace sconce::checkpoint
