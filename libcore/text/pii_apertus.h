// Personal data the way of the Apertus formatter; see pii.h.
#pragma once

#include "libcore/text/pii.h"

namespace ballast {

// E-mails, then addresses, then IBANs, each kind searched in the text that the kinds before it
// left. The text that `drop` finds is replaced as that of `redact` is.
PiiCounts redact_as_apertus(std::string& text, const PiiPolicy& policy);

}  // namespace ballast
