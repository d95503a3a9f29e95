// Where a RobotsStore comes from: one file, a folder, a WARC.
#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/io/stream.h"
#include "libcore/io/warc.h"
#include "libcore/text/robots_store.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

// A robots.txt is read to 500 KiB; a larger one may be stored, but not without bound.
constexpr int64_t kFileLimit = int64_t{64} << 20;

// HOST.txt or HOST_PORT.txt; empty for any other name.
std::string netloc_of(std::string_view name) {
  if (!name.ends_with(".txt")) return {};
  name.remove_suffix(4);
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
    std::string netloc = netloc_of(name);
    if (netloc.empty()) continue;
    auto source = BALLAST_TRY(open_source(fs, join_path(path, name)));
    store.add_file(netloc, BALLAST_TRY(read_all(*source, kFileLimit)));
  }
  if (store.hosts() == 0) {
    return usage_error("no robots.txt in the folder", path, "files are HOST.txt or HOST_PORT.txt");
  }
  return {};
}

// A capture is a response (or a crawler's own robotstxt record) for the path /robots.txt.
bool is_capture(const WarcRecord& record) {
  std::string_view type = record.type();
  bool kind = ascii_equal(type, "response") || ascii_equal(type, "resource") ||
              ascii_equal(type, "robotstxt");
  return kind && split_url(record.target_uri()).target == "/robots.txt";
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

}  // namespace

Result<std::unique_ptr<RobotsStore>> load_robots(FileSystem& fs, const std::string& path,
                                                 std::vector<std::string> agents, RobotsMode mode) {
  auto store = std::make_unique<RobotsStore>(std::move(agents), mode);
  if (path != "-" && BALLAST_TRY(fs.info(path)).is_directory) {
    BALLAST_TRY(load_folder(fs, path, *store));
    return store;
  }
  auto source = BALLAST_TRY(open_source(fs, path));
  std::string start(8, '\0');
  size_t known = 0;
  while (known < start.size()) {
    MutableBytes free{reinterpret_cast<std::byte*>(start.data() + known), start.size() - known};
    size_t n = BALLAST_TRY(source->read(free));
    if (n == 0) break;
    known += n;
  }
  start.resize(known);
  bool warc = start.starts_with("WARC/");
  auto whole = prefixed_source(std::move(start), std::move(source));
  if (warc) {
    BALLAST_TRY(load_warc(*whole, path, *store));
  } else {
    store->set_for_all(BALLAST_TRY(read_all(*whole, kFileLimit)));
  }
  return store;
}

}  // namespace ballast
