#include "sconce/checkpoint/pickle_facts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sconce/base/byte_reader.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

PickleFacts facts_of(const std::string& pickle) {
  const auto bytes = as_byte_span(pickle);
  return pickle_facts("data.pkl", pickle::parse_at(pickle::Input::own({bytes.begin(), bytes.end()}), 0));
}

TEST(PickleFacts, NamesEveryGlobalWithItsFirstPlace) {
  const PickleFacts facts = facts_of(
      "\x80\x02"
      "ccollections\nOrderedDict\nq\x01)R(cos\nsystem\nh\x01tb.");
  EXPECT_EQ(facts.record, "data.pkl");
  EXPECT_EQ(facts.protocol, 2);
  ASSERT_EQ(facts.globals.size(), 2u);
  EXPECT_EQ(facts.globals[0].name, "OrderedDict");
  EXPECT_EQ(facts.globals[0].trust, Trust::kPlain);
  EXPECT_EQ(facts.globals[0].offset, 2u);
  EXPECT_EQ(facts.globals[1].module, "os");
  EXPECT_EQ(facts.globals[1].trust, Trust::kUnknown);
  EXPECT_EQ(facts.globals[1].offset, 32u);
  EXPECT_EQ(facts.globals[1].why, "runs a shell command");
  EXPECT_NE(std::find(facts.opcodes.begin(), facts.opcodes.end(), "BINGET"), facts.opcodes.end());
  EXPECT_EQ(std::find(facts.opcodes.begin(), facts.opcodes.end(), "NONE"), facts.opcodes.end());
  EXPECT_FALSE(facts.error.has_value());
}

TEST(PickleFacts, KeepsWhatStoodBeforeTheBreak) {
  const PickleFacts facts = facts_of(
      "\x80\x02"
      "cposix\nsystem\nX\x04");
  ASSERT_EQ(facts.globals.size(), 1u);
  EXPECT_EQ(facts.globals[0].module, "posix");
  ASSERT_TRUE(facts.error.has_value());
  EXPECT_EQ(facts.error->code(), ErrorCode::kTruncated);
}

TEST(PickleFacts, NamesOfPython2AreJudgedByTheirModernNames) {
  const PickleFacts facts = facts_of(
      "\x80\x02"
      "c__builtin__\neval\nc__builtin__\nset\n.");
  ASSERT_EQ(facts.globals.size(), 2u);
  EXPECT_EQ(facts.globals[0].module, "builtins");
  EXPECT_EQ(facts.globals[0].trust, Trust::kUnknown);
  EXPECT_EQ(facts.globals[1].trust, Trust::kPlain);
}

TEST(PickleFacts, StandInTheListing) {
  MemorySink sink;
  save(sink, Value::dict({{"epoch", 3}}));
  const Listing listing = describe(sink.bytes());
  ASSERT_EQ(listing.pickles.size(), 1u);
  EXPECT_EQ(listing.pickles[0].record, "archive/data.pkl");
  EXPECT_EQ(listing.pickles[0].protocol, 2);
}

}  // namespace
}  // namespace sconce::checkpoint
