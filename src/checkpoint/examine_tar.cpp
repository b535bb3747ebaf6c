#include "checkpoint/examiners.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/weights_only.h"
#include "sconce/codec/tar.h"

namespace sconce::checkpoint {

// formats.md D.2. Storages and tensors are pickles with raw bytes between them: only the object's own pickle
// may hold anything but a few ints, strings and classes, but whatever begins like a pickle is looked at.
void examine_tar(const Source& source, const LoadOptions& options, Examination& out) {
  weights_only::Verdicts verdicts;
  verdicts.refuse(weights_only::kTorch2, "it is a tar file, which this version refuses");
  const ByteSource& bytes = *source.bytes;
  try {
    for (const tar::Member& member : tar::list(bytes)) {
      const std::uint64_t end = member.offset + member.size;
      for (std::uint64_t at = member.offset; at + 2 <= end;) {
        std::array<std::byte, 2> head{};
        bytes.read_at(head, at);
        if (!looks_like_pickle(head)) break;
        const std::uint64_t begin = at - member.offset;
        const WindowedPickle pickle = parse_in_window(bytes, at, end - at, options, begin);
        out.pickles.push_back(pickle_facts(member.name, pickle.parsed));
        const bool is_object = member.name == "pickle";
        follow({member.name,
                pickle.window,
                begin,
                is_object ? weights_only::PidForm::kTar : weights_only::PidForm::kNone,
                {}},
               verdicts);
        if (pickle.parsed.error) {
          out.problems.push_back(problem_of(*pickle.parsed.error, member.name));
          break;
        }
        at = pickle.end;
      }
    }
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    out.problems.push_back(problem_of(error));
    verdicts.refuse(weights_only::kEvery, "the archive cannot be opened");
  }
  out.weights_only = verdicts.answers();
}

}  // namespace sconce::checkpoint
