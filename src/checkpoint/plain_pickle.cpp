#include "checkpoint/plain_pickle.h"

#include <algorithm>
#include <utility>

#include "checkpoint/rebuild.h"
#include "sconce/base/byte_reader.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;

namespace {

// joblib.dump puts the bytes of arrays between the opcodes.
void explain(const ByteSource& source, const LoadOptions& options) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), std::uint64_t{1} << 20));
  std::vector<std::byte> head(size);
  source.read_at(head, 0);
  const auto parsed = pickle::parse_at(pickle::Input::own(std::move(head)), 0, options.pickle);
  const auto globals = parsed.graph.globals();
  const bool is_joblib = std::any_of(globals.begin(), globals.end(), [](const pickle::Global& global) {
    return global.name == "NumpyArrayWrapper" && global.module.starts_with("joblib.");
  });
  require(!is_joblib, ErrorCode::kUnsupported, "torch",
          "a joblib file, whose arrays stand between the opcodes of its pickle; load it with joblib and "
          "save it with torch.save");
}

FilePickle read_whole(const ByteSource& source, const LoadOptions& options) {
  try {
    return read_pickle(source, 0, source.size(), options);
  } catch (const Error&) {
    explain(source, options);
    throw;
  }
}

bool is_carried_storage(const Node& node) {
  return node.is(Kind::kObject) && node.is_call_of("torch.storage", "_load_from_bytes");
}

}  // namespace

PlainPickle::PlainPickle(const Source& source, const LoadOptions& options)
    : size_(source.bytes->size()), pickle_(read_whole(*source.bytes, options)) {
  for (std::uint32_t id = 0; id < graph().node_count(); ++id) {
    const Node node = graph().node(id);
    if (node.is(Kind::kPersistent)) {
      throw Error(ErrorCode::kUnsupported, "torch",
                  "the pickle refers to objects outside of it: data.pkl of an unpacked archive? The whole "
                  "archive is needed")
          .at_offset(node.offset());
    }
    if (is_carried_storage(node)) open(node, options);
  }
  const std::uint64_t trailing = trailing_bytes();
  require(trailing == 0 || !options.refuse_trailing, ErrorCode::kCorrupt, "torch", trailing,
          " bytes behind the pickle, which ends at byte ", pickle_.end);
}

void PlainPickle::open(Node call, const LoadOptions& options) {
  const bool is_plain_call = call.states().empty() && call.items().empty() && call.pairs().empty();
  if (call.args().size() != 1 || !is_plain_call) call.unexpected("a storage in a byte string");
  const Stream& stream = stream_of(call.args()[0], options);
  const Node root = stream.stream->graph().root();
  if (!root.is(Kind::kPersistent)) call.unexpected("a byte string that holds one storage");
  Carried out{&stream, {}, legacy_ids().resolve(root)};
  if (out.referent.global) call.unexpected("a byte string that holds one storage");
  out.inner = out.referent.storage;
  const std::string own = cat("pickled at byte ", call.offset());
  out.referent.storage.key = own;
  if (out.referent.view) out.referent.view->key = cat("view ", own);
  calls_.emplace(own, call.id());
  storages_.emplace(call.id(), std::move(out));
}

const PlainPickle::Stream& PlainPickle::stream_of(Node content, const LoadOptions& options) {
  const bool is_text = content.is(Kind::kObject) && content.is_call_of("_codecs", "encode") &&
                       content.args().size() == 2 && content.args()[1].is(Kind::kString) &&
                       content.args()[1].as_string() == "latin1";
  if (is_text) content = content.args()[0];
  // By node of what stands in the file, so that no memo makes a small file a large one.
  const auto [at, fresh] = streams_.try_emplace(content.id());
  Stream& out = at->second;
  if (!fresh) return out;
  std::span<const std::byte> bytes;
  if (is_text) {
    const std::string decoded = latin1_bytes(content);
    const auto view = as_byte_span(decoded);
    out.decoded.assign(view.begin(), view.end());
    bytes = out.decoded;
  } else {
    bytes = content.as_bytes();
  }
  const std::less<const std::byte*> before;
  const std::span<const std::byte> window = pickle_.window;
  const bool is_in_file = !bytes.empty() && !before(bytes.data(), window.data()) &&
                          before(bytes.data(), window.data() + window.size());
  out.file_offset = is_in_file
                        ? pickle_.window_offset + static_cast<std::uint64_t>(bytes.data() - window.data())
                        : content.offset();
  try {
    out.stream = std::make_unique<LegacyStream>(
        Source{std::make_shared<MemorySource>(bytes), nullptr, ""}, options,
        [this](const pickle::Graph& graph) { inner_facts_.add("byte strings", graph); });
  } catch (const Error& error) {
    throw Error(error.code(), "torch",
                cat("in the storage pickled at byte ", content.offset(), ": ", error.text()))
        .with_limit(error.limit())
        .with_advice(error.advice());
  }
  inner_trailing_bytes_ += out.stream->trailing_bytes();
  return out;
}

Referent PlainPickle::resolve(Node node) const {
  const auto found = storages_.find(node.id());
  if (found == storages_.end()) node.unexpected("a storage");
  return found->second.referent;
}

const PlainPickle::Carried& PlainPickle::carried(const StorageInfo& storage) const {
  return storages_.at(calls_.at(storage.key));
}

StoragePlace PlainPickle::place_of(const StorageInfo& storage) const {
  const Carried& found = carried(storage);
  return {"", found.stream->file_offset + found.stream->stream->offset_of(found.inner), false};
}

void PlainPickle::read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const {
  const Carried& found = carried(storage);
  found.stream->stream->read(found.inner, out, word);
}

bool PlainPickle::needs_swap() const { return std::endian::native != std::endian::little; }

}  // namespace sconce::checkpoint
