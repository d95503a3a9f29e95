// From a WARC record to the text of a document: which records are documents, and the way from
// stored bytes over HTTP codings, charset and HTML to plain text. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/io/warc.h"
#include "libcore/text/ai_signals.h"
#include "libcore/text/document.h"

namespace ballast {

// Bodies beyond this are refused; a page of prose is a thousand times smaller.
inline constexpr int64_t kPageLimitBytes = int64_t{64} << 20;

enum class PageKind {
  other,     // no document: warcinfo, request, metadata, revisit, a robots.txt, tdmrep.json, ...
  unusable,  // a document that has no text to take: status, media type, no HTTP
  text,      // extract_page() may be called
};

struct Page {
  PageKind kind = PageKind::other;
  std::string reason;     // `other`: the record's type; `unusable`: why
  Document document;      // id, url, date, language as the fields say; no text yet
  HttpResponse response;  // body points into the record
  MediaType media;
};

// `record` must outlive the page.
Page identify_page(const WarcRecord& record);

struct PageText {
  std::string text;
  std::string language;  // of <html lang>
  std::string license;   // that the markup claims, see license_claim.h; empty if it claims none
  MetaTags metas;
  int64_t replaced = 0;
  std::string failure;  // empty, or "bad_body", "hostile_markup"
};
PageText extract_page(const Page& page, const std::string& where);

}  // namespace ballast
