// Where a RobotsStore comes from: one file, a folder, a WARC, JSON Lines.
#include <algorithm>
#include <initializer_list>
#include <optional>

#include "libcore/base/ascii.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/io/warc.h"
#include "libcore/text/robots_store.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

// A robots.txt is read to 500 KiB; a larger one may be stored, but not without bound.
constexpr int64_t kFileLimit = int64_t{64} << 20;

constexpr std::string_view kRobotsSuffix = ".txt", kTdmSuffix = ".tdmrep.json";

// HOST or HOST_PORT before the suffix; empty for any other name.
std::string netloc_of(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return {};
  name.remove_suffix(suffix.size());
  size_t mark = name.rfind('_');
  if (mark == std::string_view::npos) return std::string(name);
  std::string_view port = name.substr(mark + 1);
  bool number =
      !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_ascii_digit);
  std::string netloc(name);
  if (number) netloc[mark] = ':';
  return netloc;
}

Result<void> load_folder(FileSystem& fs, const std::string& path, RobotsStore& store) {
  for (const std::string& name : BALLAST_TRY(fs.list(path))) {
    const std::string robots = netloc_of(name, kRobotsSuffix), tdm = netloc_of(name, kTdmSuffix);
    if (robots.empty() && tdm.empty()) continue;
    auto source = BALLAST_TRY(open_source(fs, join_path(path, name)));
    const std::string content = BALLAST_TRY(read_all(*source, kFileLimit));
    if (!robots.empty()) store.add_file(robots, content);
    if (!tdm.empty()) store.add_tdm_file(tdm, content);
  }
  if (store.hosts() == 0) {
    return usage_error("no robots.txt in the folder", path,
                       "files are HOST.txt, HOST_PORT.txt or HOST.tdmrep.json");
  }
  return {};
}

// A capture is a response (or a crawler's own robotstxt record) for one of the two paths.
bool is_capture(const WarcRecord& record) {
  std::string_view type = record.type();
  bool kind = ascii_equal(type, "response") || ascii_equal(type, "resource") ||
              ascii_equal(type, "robotstxt");
  const std::string_view target = split_url(record.target_uri()).target;
  return kind && (target == kRobotsPath || target == kTdmPath);
}

Result<void> add_record(const WarcRecord& record, RobotsStore& store, const std::string& where) {
  RobotsStore::Capture capture;
  capture.url = record.target_uri();
  capture.date = record.field("WARC-Date");
  if (!record.block.starts_with("HTTP/")) {
    capture.body = record.block;
    store.add_capture(capture);
    return {};
  }
  Result<HttpResponse> response = parse_http_response(record.block, where);
  if (!response.ok()) return {};  // no verdict: the host stays without known rules
  capture.status = response->status;
  capture.location = field_value(response->fields, "Location");
  if (response->status / 100 == 2) {
    Result<std::string> body = decode_http_body(*response, kFileLimit, where);
    if (!body.ok()) return {};
    capture.body = body.take_value();
  }
  store.add_capture(capture);
  return {};
}

Result<void> load_warc(ByteSource& source, const std::string& path, RobotsStore& store) {
  WarcReader reader(source);
  WarcRecord record;
  while (BALLAST_TRY(reader.next(record))) {
    if (is_capture(record)) BALLAST_TRY(add_record(record, store, path));
  }
  if (store.hosts() == 0) return usage_error("no robots.txt captures in the WARC", path);
  store.resolve_redirects();
  return {};
}

// The first of these keys that is there and not null; empty when none is.
Result<std::optional<std::string>> text_of(const Json& record, const std::string& where,
                                           std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    auto found = record.find(key);
    if (found == record.end() || found->is_null()) continue;
    return std::optional(BALLAST_TRY(string_member(record, key, where)));
  }
  return std::optional<std::string>();
}

// Without a status, content was answered, and none means that there is no robots.txt.
Result<int> status_of(const Json& record, bool has_content, const std::string& where) {
  auto found = record.find("status");
  if (found == record.end() || found->is_null()) return has_content ? 200 : 404;
  const int64_t status = BALLAST_TRY(integer_member(record, "status", where));
  if (status != 0 && (status < 100 || status > 599)) {
    return corrupt_error("'status' is no HTTP status", where);
  }
  return static_cast<int>(status);
}

// Dates are compared as text, so they have to begin alike.
bool is_date(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00";
  if (text.size() < kForm.size()) return false;
  return std::equal(kForm.begin(), kForm.end(), text.begin(),
                    [](char form, char c) { return form == '0' ? is_ascii_digit(c) : c == form; });
}

Result<std::string> url_of(const Json& record, const std::string& where) {
  const auto url = BALLAST_TRY(text_of(record, where, {"url"}));
  const auto host = BALLAST_TRY(text_of(record, where, {"host"}));
  if (!url && !host) return corrupt_error("neither 'host' nor 'url'", where);
  if (!url && (host->empty() || host->find_first_of("/?#@ ") != std::string::npos)) {
    return corrupt_error("'host' is not HOST or HOST:PORT", where);
  }
  std::string whole = url ? *url : "https://" + *host + "/robots.txt";
  if (split_url(whole).netloc.empty()) return corrupt_error("no host in 'url'", where);
  return whole;
}

Result<RobotsStore::Capture> capture_of(const Json& record, const std::string& where) {
  if (!record.is_object()) return corrupt_error("not an object", where);
  RobotsStore::Capture capture;
  capture.url = BALLAST_TRY(url_of(record, where));
  auto content = BALLAST_TRY(text_of(record, where, {"robots_txt", "content"}));
  capture.status = BALLAST_TRY(status_of(record, content.has_value(), where));
  capture.body = std::move(content).value_or("");
  capture.location = BALLAST_TRY(text_of(record, where, {"location"})).value_or("");
  capture.date = BALLAST_TRY(text_of(record, where, {"date"})).value_or("");
  if (!capture.date.empty() && !is_date(capture.date)) {
    return corrupt_error("'date' does not begin with YYYY-MM-DD", where);
  }
  return capture;
}

Result<void> load_json_lines(ByteSource& source, const std::string& path, RobotsStore& store) {
  LineReader lines(source, 2 * kFileLimit);
  while (auto line = BALLAST_TRY(lines.next())) {
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = path + ":" + std::to_string(lines.line_number());
    const Json record = BALLAST_TRY(parse_json(*line, where));
    store.add_capture(BALLAST_TRY(capture_of(record, where)));
  }
  if (store.hosts() == 0) return usage_error("no robots.txt captures in the JSON Lines", path);
  store.resolve_redirects();
  return {};
}

}  // namespace

Result<std::unique_ptr<RobotsStore>> load_robots(FileSystem& fs, const std::string& path,
                                                 std::vector<std::string> agents,
                                                 RobotsSettings settings) {
  auto store = std::make_unique<RobotsStore>(std::move(agents), settings);
  if (path != "-" && BALLAST_TRY(fs.info(path)).is_directory) {
    BALLAST_TRY(load_folder(fs, path, *store));
    return store;
  }
  auto source = BALLAST_TRY(open_source(fs, path));
  std::string start(64, '\0');
  size_t known = 0;
  while (known < start.size()) {
    MutableBytes free{reinterpret_cast<std::byte*>(start.data() + known), start.size() - known};
    size_t n = BALLAST_TRY(source->read(free));
    if (n == 0) break;
    known += n;
  }
  start.resize(known);
  const bool warc = start.starts_with("WARC/");
  const size_t first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool json = first != std::string::npos && start[first] == '{';
  auto whole = prefixed_source(std::move(start), std::move(source));
  if (warc) {
    BALLAST_TRY(load_warc(*whole, path, *store));
  } else if (json) {
    BALLAST_TRY(load_json_lines(*whole, path, *store));
  } else {
    store->set_for_all(BALLAST_TRY(read_all(*whole, kFileLimit)));
  }
  return store;
}

}  // namespace ballast
