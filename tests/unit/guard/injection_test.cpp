#include "libcore/guard/injection.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

TEST(Injection, ParsesAListInItsOrder) {
  const auto faults = parse_injection("spike@120:x=30,nan@1K,grad@7:x=-0.5");
  ASSERT_TRUE(faults.ok());
  ASSERT_EQ(faults->size(), 3u);
  EXPECT_EQ((*faults)[0].kind, FaultKind::spike);
  EXPECT_EQ((*faults)[0].step, 120);
  EXPECT_EQ((*faults)[0].factor, 30);
  EXPECT_EQ((*faults)[1].text(), "nan@1000");
  EXPECT_EQ((*faults)[2].text(), "grad@7:x=-0.5");
  for (const Fault& fault : *faults) EXPECT_FALSE(fault.fired);
}

TEST(Injection, NothingIsNoFault) {
  const auto faults = parse_injection("");
  ASSERT_TRUE(faults.ok());
  EXPECT_TRUE(faults->empty());
}

// The journal names a fault by its text: what it says must be what is parsed again.
TEST(Injection, TextParsesToTheSameFault) {
  for (const char* spec : {"grad@3:x=1e+30", "spike@150:x=0.1", "nan@33"}) {
    const auto faults = parse_injection(spec);
    ASSERT_TRUE(faults.ok()) << spec;
    const auto again = parse_injection((*faults)[0].text());
    ASSERT_TRUE(again.ok()) << (*faults)[0].text();
    EXPECT_EQ((*again)[0].text(), (*faults)[0].text());
    EXPECT_EQ((*again)[0].factor, (*faults)[0].factor);
  }
}

TEST(Injection, RefusesWhatIsNoFault) {
  for (const char* spec : {",",
                           "nan@3,",
                           "nan",
                           "nan@",
                           "nan@0",
                           "nan@-3",
                           "nan@x",
                           "nan@3:x=2",
                           "nan@3:",
                           "grad@3",
                           "grad@3:",
                           "grad@3:2",
                           "grad@3:x=",
                           "grad@3:x=nan",
                           "spike@3:x=inf",
                           "spike@3:y=1",
                           "@3",
                           "boom@3",
                           "nan@3:rank=",
                           "nan@3:rank=-1",
                           "flip@3:rank=x",
                           "flip@3:x=2",
                           "rare@3:rank=0",
                           "spike@3:rank=1"}) {
    const auto faults = parse_injection(spec);
    ASSERT_FALSE(faults.ok()) << spec;
    EXPECT_EQ(faults.error().kind, ErrorKind::usage) << spec;
  }
}

TEST(Injection, RefusesTheSameFaultTwice) {
  const auto faults = parse_injection("spike@3:x=2,spike@3:x=2.0");
  ASSERT_FALSE(faults.ok());
  EXPECT_NE(faults.error().message().find("given twice"), std::string::npos);
}

TEST(Injection, TakesTheRankOfWhatHappensOnOne) {
  const auto faults = parse_injection("nan@3:rank=2,flip@4,flip@5:rank=1,rare@6,nan@7:rank=0");
  ASSERT_TRUE(faults.ok());
  EXPECT_EQ((*faults)[0].rank, 2);
  EXPECT_EQ((*faults)[0].text(), "nan@3:rank=2");
  EXPECT_EQ((*faults)[1].text(), "flip@4");
  EXPECT_EQ((*faults)[2].text(), "flip@5:rank=1");
  EXPECT_EQ((*faults)[3].text(), "rare@6");
  EXPECT_EQ((*faults)[4].text(), "nan@7");
  EXPECT_TRUE((*faults)[0].repeats());
  EXPECT_FALSE((*faults)[1].repeats());
}

}  // namespace
}  // namespace ballast
