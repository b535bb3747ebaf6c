#include "sconce/train/run_folder.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/save.h"
#include "sconce/train/curves.h"
#include "sconce/train/metrics_log.h"

namespace sconce::train {
namespace {

ErrorCode code_of(const std::error_code& error) {
  if (error == std::errc::permission_denied || error == std::errc::operation_not_permitted ||
      error == std::errc::read_only_file_system) {
    return ErrorCode::kPermission;
  }
  if (error == std::errc::no_space_on_device) return ErrorCode::kNoSpace;
  if (error == std::errc::file_exists || error == std::errc::not_a_directory) {
    return ErrorCode::kInvalidArgument;
  }
  return ErrorCode::kIo;
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  std::error_code error;
  if (std::filesystem::is_directory(path_, error)) return;
  std::filesystem::create_directories(path_, error);
  if (error) {
    throw Error(code_of(error), "", cat("cannot make this folder: ", error.message())).in_file(path_);
  }
}

std::string RunFolder::file(const char* name) const { return (std::filesystem::path(path_) / name).string(); }

bool RunFolder::has_run() const {
  std::error_code error;
  return std::filesystem::exists(last(), error) || std::filesystem::exists(best(), error);
}

void RunFolder::draw_curves(std::int64_t steps_in_epoch) const {
  const std::vector<std::byte> bytes = read_file(metrics());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  AtomicFile picture(curves());
  picture.write(curves_svg(parse_metrics(text), steps_in_epoch));
  picture.commit();
}

void RunFolder::remove_best() const {
  std::error_code error;
  std::filesystem::remove(best(), error);
  if (error) throw Error(code_of(error), "", cat("cannot remove: ", error.message())).in_file(best());
}

void RunFolder::save_last(const Value& state) const { checkpoint::save(last(), state); }
void RunFolder::save_best(const Value& state) const { checkpoint::save(best(), state); }

}  // namespace sconce::train
