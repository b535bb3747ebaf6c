// Which globals a pickle may name without harm. One table serves reading, writing and the verdict of verify.
//
// A row belongs here only when nothing that a pickle can do with the global (REDUCE, NEWOBJ, BUILD, APPEND,
// SETITEM, or handing it to another row) calls code that the file chooses: a row may call its arguments,
// because those can only be made from other rows. What depends on how a global is used stands in
// odd_uses.cpp. So these stay out however common they are: whatever fetches by name (getattr,
// operator.attrgetter, torch.load), whatever keeps a call for later (functools.partial), whatever unpickles
// its argument (torch.storage._load_from_bytes), and every class of other packages, whose
// __setstate__ and __reduce__ are unknown here.
#include <algorithm>

#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {
namespace {

using namespace std::string_view_literals;

struct TrustRow {
  std::string_view module;
  std::string_view name;
  Trust trust;
};

// formats.md B.4, B.5, B.7, B.8 and B.10. Dtypes, storage and tensor classes come from their own rules.
constexpr TrustRow kTrust[] = {
    {"torch", "Size", Trust::kPlain},
    {"torch", "device", Trust::kPlain},
    {"torch", "Tensor", Trust::kPlain},
    {"torch.nn.parameter", "Parameter", Trust::kPlain},
    {"torch.serialization", "_get_layout", Trust::kPlain},
    {"torch", "per_tensor_affine", Trust::kPlain},
    {"torch", "per_channel_affine", Trust::kPlain},
    {"torch", "per_tensor_symmetric", Trust::kPlain},
    {"torch", "per_channel_symmetric", Trust::kPlain},
    {"torch", "per_channel_affine_float_qparams", Trust::kPlain},
    {"torch._utils", "_rebuild_tensor", Trust::kPlain},
    {"torch._utils", "_rebuild_tensor_v2", Trust::kPlain},
    {"torch._utils", "_rebuild_tensor_v3", Trust::kPlain},
    {"torch._utils", "_rebuild_parameter", Trust::kPlain},
    {"torch._utils", "_rebuild_parameter_with_state", Trust::kPlain},
    {"torch._utils", "_rebuild_qtensor", Trust::kPlain},
    {"torch._utils", "_rebuild_sparse_tensor", Trust::kPlain},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Trust::kPlain},
    {"torch._utils", "_rebuild_nested_tensor", Trust::kPlain},
    {"torch._utils", "_rebuild_wrapper_subclass", Trust::kPlain},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", Trust::kPlain},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", Trust::kPlain},
    {"torch._tensor", "_rebuild_from_type_v2", Trust::kPlain},
    {"torch._utils", "_rebuild_sparse_csr_tensor", Trust::kInert},
    {"torch._utils", "_rebuild_xla_tensor", Trust::kInert},
    {"torch._tensor", "_rebuild_from_type", Trust::kInert},
    {"torch.autograd.variable", "Variable", Trust::kInert},
    {"torch.nn.parameter", "UninitializedParameter", Trust::kInert},
    {"torch.nn.parameter", "UninitializedBuffer", Trust::kInert},
    {"torch.nn.parameter", "Buffer", Trust::kInert},
    {"torch._C", "Generator", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "Metadata", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "TensorStorageMetadata", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "BytesStorageMetadata", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "ChunkStorageMetadata", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "TensorProperties", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "MetadataIndex", Trust::kInert},
    {"torch.distributed.checkpoint.metadata", "StorageMeta", Trust::kInert},
    {"torch.distributed.checkpoint.filesystem", "_StorageInfo", Trust::kInert},
    {"torch.distributed._shard.checkpoint.metadata", "Metadata", Trust::kInert},
    {"torch.distributed._shard.checkpoint.metadata", "TensorStorageMetadata", Trust::kInert},
    {"torch.distributed._shard.checkpoint.metadata", "BytesStorageMetadata", Trust::kInert},
    {"torch.distributed._shard.checkpoint.metadata", "ChunkStorageMetadata", Trust::kInert},
    {"torch.distributed._shard.checkpoint.metadata", "MetadataIndex", Trust::kInert},
    {"torch.distributed._shard.checkpoint.filesystem", "_StorageInfo", Trust::kInert},
    {"torch.distributed._shard.sharded_tensor.metadata", "TensorProperties", Trust::kInert},
    {"torch.distributed._shard.sharded_tensor.metadata", "MEM_FORMAT_ENCODING", Trust::kInert},
    {"collections", "OrderedDict", Trust::kPlain},
    {"collections", "Counter", Trust::kPlain},
    {"builtins", "set", Trust::kPlain},
    {"builtins", "bytearray", Trust::kPlain},
    {"builtins", "complex", Trust::kPlain},
    {"_codecs", "encode", Trust::kPlain},
    {"collections", "defaultdict", Trust::kInert},
    {"collections", "deque", Trust::kInert},
    {"builtins", "int", Trust::kInert},
    {"builtins", "float", Trust::kInert},
    {"builtins", "bool", Trust::kInert},
    {"builtins", "str", Trust::kInert},
    {"builtins", "bytes", Trust::kInert},
    {"builtins", "list", Trust::kInert},
    {"builtins", "tuple", Trust::kInert},
    {"builtins", "dict", Trust::kInert},
    {"builtins", "frozenset", Trust::kInert},
    {"builtins", "slice", Trust::kInert},
    {"builtins", "range", Trust::kInert},
    {"builtins", "Ellipsis", Trust::kInert},
    {"builtins", "NotImplemented", Trust::kInert},
    {"argparse", "Namespace", Trust::kInert},
    {"types", "SimpleNamespace", Trust::kInert},
    {"datetime", "datetime", Trust::kInert},
    {"datetime", "date", Trust::kInert},
    {"datetime", "time", Trust::kInert},
    {"datetime", "timedelta", Trust::kInert},
    {"datetime", "timezone", Trust::kInert},
    {"decimal", "Decimal", Trust::kInert},
    {"fractions", "Fraction", Trust::kInert},
    {"uuid", "UUID", Trust::kInert},
    {"pathlib", "Path", Trust::kInert},
    {"pathlib", "PosixPath", Trust::kInert},
    {"pathlib", "PurePosixPath", Trust::kInert},
    {"pathlib", "WindowsPath", Trust::kInert},
    {"pathlib", "PureWindowsPath", Trust::kInert},
    {"pathlib._local", "PosixPath", Trust::kInert},
    {"pathlib._local", "PurePosixPath", Trust::kInert},
    {"numpy", "dtype", Trust::kInert},
    {"numpy", "ndarray", Trust::kInert},
    {"numpy", "matrix", Trust::kInert},
    {"numpy.ma.core", "_mareconstruct", Trust::kInert},
    {"numpy.ma.core", "MaskedArray", Trust::kInert},
    {"numpy.ma", "MaskedArray", Trust::kInert},
    {"numpy.core.multiarray", "scalar", Trust::kInert},
    {"numpy._core.multiarray", "scalar", Trust::kInert},
    {"numpy.core.multiarray", "_reconstruct", Trust::kInert},
    {"numpy._core.multiarray", "_reconstruct", Trust::kInert},
    {"numpy.core.numeric", "_frombuffer", Trust::kInert},
    {"numpy._core.numeric", "_frombuffer", Trust::kInert},
};

struct NnRow {
  std::string_view module;   // under torch.nn.modules
  std::string_view classes;  // with a space around each
};

// The modules of torch.nn whose __setstate__, where they have one, only fills in what old files lack. Lazy
// and quantized ones are missing on purpose.
constexpr NnRow kNnModules[] = {
    {"activation",
     " CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU "
     "LogSigmoid LogSoftmax Mish MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU "
     "Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink "
     "Threshold "},
    {"adaptive", " AdaptiveLogSoftmaxWithLoss "},
    {"batchnorm", " BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm "},
    {"channelshuffle", " ChannelShuffle "},
    {"container", " Container ModuleDict ModuleList ParameterDict ParameterList Sequential "},
    {"conv", " Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d "},
    {"distance", " CosineSimilarity PairwiseDistance "},
    {"dropout", " AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout "},
    {"flatten", " Flatten Unflatten "},
    {"fold", " Fold Unfold "},
    {"instancenorm", " InstanceNorm1d InstanceNorm2d InstanceNorm3d "},
    {"linear", " Bilinear Identity Linear "},
    {"loss",
     " BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss "
     "GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss "
     "LinearCrossEntropyLoss MSELoss MarginRankingLoss MultiLabelMarginLoss "
     "MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss NLLLoss2d PoissonNLLLoss "
     "SmoothL1Loss SoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss "},
    {"module", " Module "},
    {"normalization", " CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm "},
    {"padding",
     " CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d "
     "ConstantPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d "
     "ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d "},
    {"pixelshuffle", " PixelShuffle PixelUnshuffle "},
    {"pooling",
     " AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d "
     "AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d "
     "FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxPool1d "
     "MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d "},
    {"rnn", " GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell RNNCellBase "},
    {"sparse", " Embedding EmbeddingBag "},
    {"transformer",
     " Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder "
     "TransformerEncoderLayer "},
    {"upsampling", " Upsample UpsamplingBilinear2d UpsamplingNearest2d "},
};

struct Danger {
  std::string_view module;  // it or what lies under it
  std::string_view name;    // "" for every name
  std::string_view why;
};

// For people only: no verdict rests on it, what is not in the table above is treated the same.
constexpr Danger kDangers[] = {
    {"builtins", "eval", "runs Python code given as text"},
    {"builtins", "exec", "runs Python code given as text"},
    {"builtins", "compile", "makes Python code from text"},
    {"builtins", "__import__", "imports any module, which runs it"},
    {"builtins", "getattr", "reaches any attribute, and so any function"},
    {"builtins", "setattr", "replaces any attribute"},
    {"builtins", "delattr", "removes any attribute"},
    {"builtins", "globals", "reaches any function"},
    {"builtins", "vars", "reaches any function"},
    {"builtins", "open", "opens any file"},
    {"builtins", "print", "writes to the terminal"},
    {"builtins", "map", "calls a function for each item"},
    {"builtins", "filter", "calls a function for each item"},
    {"builtins", "type", "makes classes"},
    {"os", "system", "runs a shell command"},
    {"posix", "system", "runs a shell command"},
    {"nt", "system", "runs a shell command"},
    {"os", "", "reaches the operating system: files, processes"},
    {"posix", "", "reaches the operating system: files, processes"},
    {"nt", "", "reaches the operating system: files, processes"},
    {"subprocess", "", "starts programs"},
    {"_posixsubprocess", "", "starts programs"},
    {"pty", "", "starts programs"},
    {"multiprocessing", "", "starts programs"},
    {"sys", "", "changes the interpreter itself"},
    {"importlib", "", "imports any module, which runs it"},
    {"runpy", "", "runs Python files"},
    {"code", "", "runs Python code given as text"},
    {"timeit", "", "runs Python code given as text"},
    {"pdb", "", "runs Python code given as text"},
    {"bdb", "", "runs Python code given as text"},
    {"profile", "", "runs Python code given as text"},
    {"cProfile", "", "runs Python code given as text"},
    {"doctest", "", "runs Python code given as text"},
    {"pkgutil", "", "reaches any function by its name"},
    {"pydoc", "", "reaches any function by its name"},
    {"operator", "", "reaches attributes or calls methods"},
    {"_operator", "", "reaches attributes or calls methods"},
    {"functools", "", "calls the function it is given"},
    {"types", "", "makes functions and code objects"},
    {"marshal", "", "makes code objects from bytes"},
    {"pickle", "", "loads another pickle without restriction"},
    {"_pickle", "", "loads another pickle without restriction"},
    {"dill", "", "rebuilds functions from their code"},
    {"cloudpickle", "", "rebuilds functions from their code"},
    {"joblib", "", "loads another pickle without restriction"},
    {"shutil", "", "copies and removes files"},
    {"socket", "", "opens network connections"},
    {"urllib", "", "opens network connections"},
    {"requests", "", "opens network connections"},
    {"http", "", "opens network connections"},
    {"ftplib", "", "opens network connections"},
    {"smtplib", "", "opens network connections"},
    {"webbrowser", "", "opens the browser"},
    {"ctypes", "", "calls native code"},
    {"cffi", "", "calls native code"},
    {"asyncio", "", "starts programs and opens network connections"},
    {"threading", "", "calls the function it is given"},
    {"tempfile", "", "makes files"},
    {"torch.hub", "", "downloads and runs code"},
    {"torch.storage", "_load_from_bytes", "loads another pickle without restriction"},
    {"torch", "load", "loads another pickle, perhaps without restriction"},
    {"torch.serialization", "load", "loads another pickle, perhaps without restriction"},
    {"torch.jit", "", "compiles and runs code"},
    {"torch.utils.cpp_extension", "", "compiles and runs native code"},
    {"torch._inductor", "", "compiles and runs code"},
    {"torch._dynamo", "", "compiles and runs code"},
    {"numpy.testing", "", "runs Python code given as text"},
    {"numpy", "load", "loads another pickle, perhaps without restriction"},
};

// TorchScript's own names, which its reader resolves inside the archive; in Python they lead nowhere or
// return their argument.
bool is_torchscript_name(std::string_view module, std::string_view name) {
  static constexpr std::string_view kHelpers[] = {"build_intlist", "build_tensorlist", "build_doublelist",
                                                  "build_boollist", "restore_type_tag"};
  return module == "__torch__" || module.starts_with("__torch__.") ||
         (module == "torch.jit._pickle" &&
          std::find(std::begin(kHelpers), std::end(kHelpers), name) != std::end(kHelpers));
}

bool lies_in(std::string_view module, std::string_view folder) {
  return module.starts_with(folder) && (module.size() == folder.size() || module[folder.size()] == '.');
}

// torch.FloatTensor, torch.cuda.sparse.FloatTensor, ...: the classes of old tensors.
bool is_tensor_class(std::string_view module, std::string_view name) {
  static constexpr std::string_view kModules[] = {"torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse"};
  static constexpr std::string_view kKinds[] = {"Float", "Double", "Half", "BFloat16", "Byte",
                                                "Char",  "Short",  "Int",  "Long",     "Bool"};
  if (!name.ends_with("Tensor")) return false;
  const std::string_view kind = name.substr(0, name.size() - "Tensor"sv.size());
  return std::find(std::begin(kModules), std::end(kModules), module) != std::end(kModules) &&
         std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

}  // namespace

bool is_nn_module(std::string_view module, std::string_view name) {
  constexpr std::string_view kFolder = "torch.nn.modules.";
  if (!module.starts_with(kFolder) || name.find(' ') != std::string_view::npos) return false;
  const auto* row = std::find_if(std::begin(kNnModules), std::end(kNnModules), [&](const NnRow& candidate) {
    return candidate.module == module.substr(kFolder.size());
  });
  return row != std::end(kNnModules) && row->classes.find(cat(" ", name, " ")) != std::string_view::npos;
}

Trust trust_of(std::string_view module, std::string_view name) {
  const auto* row = std::find_if(std::begin(kTrust), std::end(kTrust), [&](const TrustRow& candidate) {
    return candidate.module == module && candidate.name == name;
  });
  if (row != std::end(kTrust)) return row->trust;
  pickle::Global global;
  global.module = module;
  global.name = name;
  const bool is_torch = dtype_of_global(global) || storage_class_of(global) || is_tensor_class(module, name);
  if (is_torch) return Trust::kPlain;
  return is_nn_module(module, name) || is_torchscript_name(module, name) ? Trust::kInert : Trust::kUnknown;
}

std::string_view why_trusted(Trust trust, std::string_view module, std::string_view name) {
  if (trust == Trust::kPlain) return "part of a state_dict";
  if (trust == Trust::kInert) return is_nn_module(module, name) ? "a module of torch.nn" : "makes plain data";
  const auto* row = std::find_if(std::begin(kDangers), std::end(kDangers), [&](const Danger& candidate) {
    return candidate.name.empty() ? lies_in(module, candidate.module)
                                  : candidate.module == module && candidate.name == name;
  });
  return row != std::end(kDangers) ? row->why : "not among the globals that are known to make plain data";
}

}  // namespace sconce::checkpoint
