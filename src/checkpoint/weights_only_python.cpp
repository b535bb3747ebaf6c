// What Python has without torch, and the small classes of torch: containers, bytes, torch.Size, torch.device.
#include <algorithm>
#include <charconv>

#include "checkpoint/weights_only_calls.h"
#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;  // nobody has the memory

bool is_device_text(std::string_view text, bool may_have_index) {
  static constexpr std::string_view kTypes[] = {
      "cpu",  "cuda", "ipu", "xpu",  "mkldnn", "opengl", "opencl", "ideep", "hip",  "ve",
      "fpga", "maia", "xla", "lazy", "vulkan", "mps",    "meta",   "hpu",   "mtia", "privateuseone"};
  const std::size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view index = text.substr(colon + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
  const bool is_number = error == std::errc() && end == index.data() + index.size() && number >= 0;
  return may_have_index && is_number && (index.size() == 1 || index[0] != '0');
}

// The highest code point of well-formed UTF-8; surrogates count as what they are.
char32_t highest_character(std::string_view text) {
  char32_t highest = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t code = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      code = (code << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    }
    highest = std::max(highest, code);
    i += length;
  }
  return highest;
}

}  // namespace

// What dict() and dict.update() take: a mapping, or pairs.
void Calls::require_pairs(Id pairs) const {
  if (values_.is_dict(pairs)) return;
  const auto list = values_.iterate(pairs);
  require(list.has_value(), cat("it makes a dict of ", values_.describe(pairs)));
  for (const Id pair : *list) {
    require(values_.is_sequence(pair) && values_.items(pair).size() == 2 &&
                values_[values_.items(pair)[0]].hashable,
            "it makes a dict of something that is not a list of pairs");
  }
}

Id Calls::make_ordered_dict(Args args) {
  std::vector<Id> items;
  if (!args.empty()) {
    require_pairs(args[0]);
    if (values_.is_dict(args[0])) {
      items.assign(values_.items(args[0]).begin(), values_.items(args[0]).end());
    } else {
      const auto pairs = values_.iterate(args[0]);
      for (const Id pair : *pairs) {
        items.insert(items.end(), values_.items(pair).begin(), values_.items(pair).end());
      }
    }
  }
  return values_.container(Kind::kOrderedDict, std::move(items));
}

// Things that give hashable values when they are walked, which nobody here needs to know.
bool Calls::gives_values(Id id) const {
  switch (values_.kind(id)) {
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kByteArray:
      return values_.is_true(id);
    case Kind::kTensor:
    case Kind::kParameter:
      return !values_.tensor(id).sizes.empty();
    case Kind::kStorage:
      return values_.storage(id).dtype && !is_quantized(*values_.storage(id).dtype);
    case Kind::kUntypedStorage:
      return true;
    default:
      return false;
  }
}

Id Calls::make_counter(Args args) {
  std::vector<Id> items;
  if (!args.empty() && values_.is_dict(args[0])) {
    items.assign(values_.items(args[0]).begin(), values_.items(args[0]).end());
  } else if (!args.empty() && !values_.is(args[0], Kind::kNone)) {
    const auto list = values_.iterate(args[0]);
    require(list || gives_values(args[0]), cat("it makes a Counter of ", values_.describe(args[0])));
    if (!list && values_.is_true(args[0])) items = {values_.integer(0), values_.integer(1)};
    for (const Id item : list.value_or(std::vector<Id>{})) {
      require(values_[item].hashable, cat("a Counter cannot count ", values_.describe(item)));
      items.insert(items.end(), {item, values_.integer(1)});
    }
  }
  return values_.container(Kind::kCounter, std::move(items));
}

Id Calls::make_set(Args args) {
  if (args.empty()) return values_.container(Kind::kSet, {});
  if (gives_values(args[0])) return values_.container(Kind::kSet, {values_.integer(0)});
  auto list = values_.iterate(args[0]);
  require(list.has_value(), cat("it makes a set of ", values_.describe(args[0])));
  for (const Id item : *list) {
    require(values_[item].hashable, cat("a set cannot hold ", values_.describe(item)));
  }
  return values_.container(Kind::kSet, std::move(*list));
}

Id Calls::make_bytearray(Args args) {
  if (args.empty()) return values_.bytes(Kind::kByteArray, 0);
  if (values_.is(args[0], Kind::kString)) {
    return values_.bytes(Kind::kByteArray, values_[encode(args)].number);
  }
  require(args.size() == 1, "it makes a bytearray of several things");
  if (values_.is(args[0], Kind::kBytes) || values_.is(args[0], Kind::kByteArray)) {
    return values_.bytes(Kind::kByteArray, values_[args[0]].number);
  }
  if (values_.is_int(args[0]) || values_.is(args[0], Kind::kBool)) {
    const std::int64_t size = values_[args[0]].number;
    require(size >= 0 && size < kMostBytes, cat("it makes a bytearray of ", size, " bytes"));
    return values_.bytes(Kind::kByteArray, size);
  }
  const auto list = values_.iterate(args[0]);
  require(list.has_value(), cat("it makes a bytearray of ", values_.describe(args[0])));
  for (const Id item : *list) {
    require((values_.is_int(item) || values_.is(item, Kind::kBool)) && values_[item].number >= 0 &&
                values_[item].number < 256,
            "it makes a bytearray of something that is not a list of bytes");
  }
  return values_.bytes(Kind::kByteArray, static_cast<std::int64_t>(list->size()));
}

Id Calls::make_complex(Args args) {
  for (const Id arg : args) {
    require(values_.is_number(arg) || values_.is(arg, Kind::kComplex),
            cat("it makes a complex of ", values_.describe(arg)));
  }
  return values_.plain(Kind::kComplex);
}

Id Calls::encode(Args args) {
  require(values_.is(args[0], Kind::kString), cat("it encodes ", values_.describe(args[0])));
  for (const Id arg : args)
    require(values_.is(arg, Kind::kString), "it encodes with something that is no name");
  const std::string_view text = values_[args[0]].text;
  const std::string_view codec = args.size() > 1 ? values_[args[1]].text : std::string_view("utf-8");
  static constexpr std::string_view kLatin[] = {"latin1", "latin-1", "iso-8859-1", "iso8859-1", "latin_1"};
  static constexpr std::string_view kUtf8[] = {"utf-8", "utf8", "UTF-8", "utf_8"};
  const char32_t highest = highest_character(text);
  if (std::find(std::begin(kLatin), std::end(kLatin), codec) != std::end(kLatin)) {
    require(highest < 0x100, "it encodes a character that Latin-1 does not have");
    // One byte for each character.
    const auto size = std::count_if(text.begin(), text.end(),
                                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return values_.bytes(Kind::kBytes, size);
  }
  const bool is_ascii = codec == "ascii";
  require(is_ascii || std::find(std::begin(kUtf8), std::end(kUtf8), codec) != std::end(kUtf8),
          cat("it encodes with the codec '", escaped(codec), "', which sconce does not follow"));
  require(is_ascii ? highest < 0x80 : is_utf8(text), "it encodes a character that the codec does not have");
  return values_.bytes(Kind::kBytes, static_cast<std::int64_t>(text.size()));
}

Id Calls::make_size(Args args) {
  std::vector<Id> items;
  if (!args.empty()) {
    const auto list = values_.iterate(args[0]);
    require(list.has_value(), cat("it makes a torch.Size of ", values_.describe(args[0])));
    for (const Id item : *list) {
      require(values_.is_int(item) || values_.is(item, Kind::kBool),
              cat("it makes a torch.Size of ", values_.describe(item)));
    }
    items = *list;
  }
  return values_.container(Kind::kSize, std::move(items));
}

Id Calls::make_device(Args args) {
  const bool has_index = args.size() == 2 && !values_.is(args[1], Kind::kNone);
  if (args.size() == 1 && values_.is(args[0], Kind::kDevice)) return args[0];
  require(values_.is(args[0], Kind::kString), cat("it makes a torch.device of ", values_.describe(args[0]),
                                                  values_.is_int(args[0]) ? ", which needs a GPU" : ""));
  const std::string_view text = values_[args[0]].text;
  // With a second argument, even None, the index may not stand in the text.
  require(is_device_text(text, args.size() == 1) &&
              (!has_index || (values_.is_int(args[1]) && values_[args[1]].number >= 0)),
          cat("there is no device '", escaped(text), "'"));
  return values_.plain(Kind::kDevice);
}

Id Calls::get_layout(Args args) {
  static constexpr std::string_view kLayouts[] = {"torch.strided",    "torch.sparse_coo", "torch.sparse_csr",
                                                  "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc",
                                                  "torch._mkldnn",    "torch.jagged"};
  require(values_.is(args[0], Kind::kString), cat("it asks for the layout of ", values_.describe(args[0])));
  const std::string_view text = values_[args[0]].text;
  require(std::find(std::begin(kLayouts), std::end(kLayouts), text) != std::end(kLayouts),
          cat("there is no layout '", escaped(text), "'"));
  if (text == "torch.jagged") refuse_(kTorch1_13, "it does not know the layout torch.jagged");
  return values_.text(Kind::kLayout, text);
}

}  // namespace sconce::checkpoint::weights_only
