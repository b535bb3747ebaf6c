#include "sconce/base/interrupt.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "sconce/base/file.h"

namespace sconce {
namespace {

class Interrupt : public TemporaryFolder {
 protected:
  void TearDown() override { clear_stop_request(); }
};

TEST_F(Interrupt, IsARequestThatCanBeForgotten) {
  EXPECT_FALSE(stop_requested());
  throw_if_stop_requested();
  request_stop();
  EXPECT_TRUE(stop_requested());
  EXPECT_ERROR(throw_if_stop_requested(), ErrorCode::kInterrupted);
  clear_stop_request();
  throw_if_stop_requested();
}

TEST_F(Interrupt, StopsAWriteAndKeepsTheOldFile) {
  put("a.bin", "old");
  AtomicFile file(path("a.bin"));
  file.write("new");
  request_stop();
  EXPECT_ERROR(file.commit(), ErrorCode::kInterrupted);
  EXPECT_EQ(get("a.bin"), "old");
}

TEST_F(Interrupt, StopsACommitThatHasNothingLeftToWrite) {
  put("a.bin", "old");
  AtomicFile file(path("a.bin"));
  request_stop();
  EXPECT_ERROR(file.commit(), ErrorCode::kInterrupted);
  EXPECT_EQ(get("a.bin"), "old");
}

TEST_F(Interrupt, StopsARead) {
  put("a.bin", "text");
  const File file = File::open(path("a.bin"));
  request_stop();
  EXPECT_ERROR(file.read_at(0, 4), ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace sconce
