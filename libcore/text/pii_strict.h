// Personal data as whole words, in one pass from left to right over the text as it came; what was
// replaced is not searched again, and no match is a part of something longer.
//
// e-mail: a dot-atom of letters, digits and _ + - % & ~ ' (letters of scripts that put spaces
// between words, so that an address in a Chinese sentence begins where its Latin letters do) of at
// most 64 bytes, and a host of labels whose last is a name; or an address literal. No "@" beside
// it. Names of images for screens (logo@2x.png) are none. IPv4: octets without leading zeros, not
// next to a letter, digit, or a dot with one, and not behind what says that it is a version or a
// section: "version 1.2.3.4", "Chrome/80.0.0.0", "v1.2.3.4". IPv6: any form of RFC 4291 that has a
// decimal digit; EUI-64 identifiers are none. IBAN: compact, or in groups of four with one space,
// no-break space or hyphen between all of them, of its country's length and with right check
// digits.
#pragma once

#include "libcore/text/pii.h"

namespace ballast {

struct PiiMatch {
  size_t begin = 0;
  size_t end = 0;
  PiiKind kind = PiiKind::email;
};

// In order, without overlaps: of two the one that begins first stays, of those the longer. Kinds
// that are `off` are not looked for. `text` is valid UTF-8.
std::vector<PiiMatch> find_pii(std::string_view text, const PiiPolicy& policy);

PiiCounts redact_strictly(std::string& text, const PiiPolicy& policy);

}  // namespace ballast
