#include "libcore/text/page.h"

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/text/charset.h"
#include "libcore/text/host_signals.h"
#include "libcore/text/html.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

bool is_html(std::string_view type) {
  return type == "text/html" || type == "application/xhtml+xml";
}

// Servers that name no type: markup shows itself.
std::string sniff_type(std::string_view body) {
  size_t begin = std::min(body.find_first_not_of(" \t\r\n\xEF\xBB\xBF"), body.size());
  return body.substr(begin).starts_with('<') ? "text/html" : "text/plain";
}

// Crawlers store notes on themselves under URIs of their own (wget: metadata://), and answers of
// name servers (dns:): no pages.
bool is_web(std::string_view scheme) {
  for (std::string_view web : {"http", "https", "ftp", "file", ""}) {
    if (ascii_equal(scheme, web)) return true;
  }
  return false;
}

void refuse(Page& page, const char* reason) {
  page.kind = PageKind::unusable;
  page.reason = reason;
}

void read_response(const WarcRecord& record, Page& page) {
  Result<HttpResponse> response = parse_http_response(record.block, {});
  if (!response.ok()) return refuse(page, "no_http");
  page.response = response.take_value();
  if (page.response.status != 200) return refuse(page, "http_status");
  page.media = parse_media_type(field_value(page.response.fields, "Content-Type"));
  page.document.language = field_value(page.response.fields, "Content-Language");
}

}  // namespace

Page identify_page(const WarcRecord& record) {
  Page page;
  std::string type = to_ascii_lower(record.type());
  bool response = type == "response", conversion = type == "conversion";
  if (!response && !conversion && type != "resource") {
    page.reason = type.empty() ? "untyped" : type;
    return page;
  }
  page.document.url = record.target_uri();
  UrlParts url = split_url(page.document.url);
  if (!is_web(url.scheme)) {
    page.reason = type + ":" + std::string(url.scheme);
    return page;
  }
  if (url.target == kRobotsPath || url.target == kTdmPath) {
    page.reason = url.target == kRobotsPath ? "robotstxt" : "tdmrep";
    return page;
  }
  page.kind = PageKind::text;
  page.document.id = record.field("WARC-Record-ID");
  page.document.date = record.field("WARC-Date");
  if (response) {
    read_response(record, page);
    if (page.kind != PageKind::text) return page;
  } else {
    page.response.body = record.block;
    page.media = parse_media_type(record.field("Content-Type"));
    page.document.language = record.field("WARC-Identified-Content-Language");
  }
  if (conversion) page.media.type = "text/plain";
  if (page.media.type.empty()) page.media.type = sniff_type(page.response.body);
  if (!is_html(page.media.type) && page.media.type != "text/plain") refuse(page, "media_type");
  return page;
}

PageText extract_page(const Page& page, const std::string& where) {
  PageText result;
  Result<std::string> body = decode_http_body(page.response, kPageLimitBytes, where);
  if (!body.ok()) {
    result.failure = "bad_body";
    return result;
  }
  bool html = is_html(page.media.type);
  DecodedText decoded = decode_text(*body, page.media.charset, html);
  result.replaced = decoded.replaced;
  if (!html) {
    result.text = std::move(decoded.text);
    return result;
  }
  Result<HtmlText> text = extract_html(decoded.text, where);
  if (!text.ok()) {
    result.failure = "hostile_markup";
    return result;
  }
  result.text = std::move(text->text);
  result.language = std::move(text->language);
  result.metas = std::move(text->metas);
  result.license = claimed_license(text->licenses);
  return result;
}

}  // namespace ballast
