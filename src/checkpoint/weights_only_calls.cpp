// Who is called with what. Facts as in formats.md B.7 and B.10, each compared with PyTorch by
// tests/torch/test_verify.py.
#include "checkpoint/weights_only_calls.h"

#include <stdexcept>

#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {

void Calls::fail(const std::string& text) const {
  refuse_(kEvery, text);
  throw std::logic_error("a refusal of every version must not return");
}

void Calls::require_count(const Allowed& row, Args args, std::size_t least, std::size_t most) const {
  require(args.size() >= least && args.size() <= most,
          cat("it calls ", row.path, " with ", args.size(), " arguments"));
}

Id Calls::reduce(Id callee, Id args) {
  require(values_.is(callee, Kind::kCallable), cat("it calls ", values_.describe(callee)));
  const auto list = values_.iterate(args);
  require(list.has_value(), cat("it calls a function with ", values_.describe(args), " for arguments"));
  return call(values_.allowed(callee), *list, 0);
}

Id Calls::call(const Allowed& row, Args args, int depth) {
  switch (row.callee) {
    case Callee::kTensor:
    case Callee::kTensorType:
      return make_tensor(row, args);
    case Callee::kSparseType:
      return make_sparse_type(row, args);
    case Callee::kCudaType:
      fail(cat("it calls ", row.path, ", which needs a GPU"));
    case Callee::kStorageClass:
    case Callee::kTypedStorage:
    case Callee::kUntypedStorage:
      return make_storage(row, args);
    case Callee::kDType:
    case Callee::kQScheme:
      fail(cat("it calls ", row.path, ", which is not a function"));
    case Callee::kParameter:
      return make_parameter(args);
    case Callee::kRebuildTensor:
    case Callee::kRebuildTensorV2:
      return rebuild_tensor(row, args);
    case Callee::kRebuildTensorV3:
      return rebuild_tensor_v3(args);
    case Callee::kRebuildParameter:
    case Callee::kRebuildParameterWithState:
      return rebuild_parameter(row, args);
    case Callee::kRebuildSparse:
      require_count(row, args, 2, 2);
      return rebuild_sparse(args);
    case Callee::kRebuildSparseCsr: {
      require_count(row, args, 2, 2);
      require(values_.is(args[0], Kind::kLayout) && values_[args[0]].text == "torch.sparse_csr",
              "a sparse tensor has a layout that does not fit");
      const auto data = values_.iterate(args[1]);
      require(data && data->size() == 4, "a sparse tensor needs four parts");
      return rebuild_compressed(*data, true);
    }
    case Callee::kRebuildMeta:
      require_count(row, args, 4, 4);
      return rebuild_meta(args);
    case Callee::kRebuildQuantized:
      require_count(row, args, 7, 7);
      return rebuild_quantized(args);
    case Callee::kRebuildNested:
      require_count(row, args, 4, 4);
      return rebuild_nested(args);
    case Callee::kRebuildWrapper:
      fail("a tensor subclass has no class that could be made");
    case Callee::kRebuildFromNumpy:
      fail("a numpy array cannot be made");
    case Callee::kRebuildFromCpu:
      require_count(row, args, 4, 4);
      return rebuild_from_cpu(args);
    case Callee::kRebuildFromType:
      require_count(row, args, 4, 4);
      return rebuild_from_type(args, depth);
    default:
      return call_python(row, args);
  }
}

Id Calls::call_python(const Allowed& row, Args args) {
  switch (row.callee) {
    case Callee::kOrderedDict:
      require_count(row, args, 0, 1);
      return make_ordered_dict(args);
    case Callee::kCounter:
      require_count(row, args, 0, 1);
      return make_counter(args);
    case Callee::kSet:
      require_count(row, args, 0, 1);
      return make_set(args);
    case Callee::kByteArray:
      require_count(row, args, 0, 3);
      return make_bytearray(args);
    case Callee::kComplex:
      require_count(row, args, 0, 2);
      return make_complex(args);
    case Callee::kEncode:
      require_count(row, args, 1, 3);
      return encode(args);
    case Callee::kSize:
      require_count(row, args, 0, 1);
      return make_size(args);
    case Callee::kDevice:
      require_count(row, args, 1, 2);
      return make_device(args);
    case Callee::kGetLayout:
      require_count(row, args, 1, 1);
      return get_layout(args);
    default:
      fail(cat("it calls ", row.path));
  }
}

Id Calls::new_object(Id callee, Id args) {
  require(values_.is(callee, Kind::kCallable), cat("it makes an instance of ", values_.describe(callee)));
  const Allowed& row = values_.allowed(callee);
  if (row.callee != Callee::kParameter) refuse_(kTorch1_13, cat("it makes an instance of ", row.path));
  const auto list = values_.iterate(args);
  require(list.has_value(), cat("it makes an object with ", values_.describe(args), " for arguments"));
  switch (row.callee) {
    // __new__ of these takes anything and leaves them empty.
    case Callee::kOrderedDict:
      return values_.container(Kind::kOrderedDict, {});
    case Callee::kCounter:
      return values_.container(Kind::kCounter, {});
    case Callee::kSet:
      return values_.container(Kind::kSet, {});
    case Callee::kByteArray:
      return values_.bytes(Kind::kByteArray, 0);
    case Callee::kTypedStorage:
      return values_.storage(Kind::kStorage, {});
    case Callee::kComplex:
    case Callee::kSize:
    case Callee::kDevice:
    case Callee::kTensor:
    case Callee::kTensorType:
    case Callee::kSparseType:
    case Callee::kCudaType:
    case Callee::kUntypedStorage:
    case Callee::kParameter:
      return call(row, *list, 0);
    default:
      fail(cat("it makes an instance of ", row.path, ", which is not a class that can be made so"));
  }
}

}  // namespace sconce::checkpoint::weights_only
