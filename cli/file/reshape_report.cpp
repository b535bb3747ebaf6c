#include "file/reshape_report.h"

#include <fmt/format.h>

#include "common/output.h"
#include "common/program.h"
#include "common/text_format.h"
#include "sconce/base/text.h"

namespace sconce::cli {

void print_reshape(const std::string& input, const std::string& output, const toolbox::ReshapeReport& report,
                   bool json) {
  for (const std::string& note : report.notes) warn(cat(escaped(input), ": ", note));
  for (const std::string& warning : report.saved.warnings) warn(cat(escaped(output), ": ", warning));
  const auto input_format = checkpoint::format_name(report.input);
  const auto output_format = checkpoint::format_name(report.output);
  if (json) {
    Json out = {
        {"input", input},          {"input_format", input_format}, {"output", output},
        {"format", output_format}, {"tensors", report.tensors},    {"bytes", report.saved.bytes},
        {"files", Json::array()},  {"notes", report.notes},        {"warnings", report.saved.warnings}};
    for (const auto& file : report.saved.files)
      out["files"].push_back({{"name", file.name}, {"bytes", file.bytes}});
    return sconce::cli::out().print_json(out);
  }
  std::string text = fmt::format("{} ({}) -> {} ({}): {} tensor{}, {}\n", escaped(input), input_format,
                                 escaped(output), output_format, report.tensors,
                                 report.tensors == 1 ? "" : "s", human_bytes(report.saved.bytes));
  for (const auto& file : report.saved.files) {
    text += fmt::format("  {}  {}\n", escaped(file.name), human_bytes(file.bytes));
  }
  out().print(text);
}

}  // namespace sconce::cli
