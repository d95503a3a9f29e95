#include "libcore/text/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucsdet.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr size_t kMetaWindow = 4096;
constexpr size_t kDetectWindow = 65536;

struct Label {
  std::string_view written;
  std::string_view meant;
};
// Labels that browsers take for another encoding than the name says.
constexpr Label kLabels[] = {
    {"ascii", "windows-1252"},      {"us-ascii", "windows-1252"},
    {"iso-8859-1", "windows-1252"}, {"iso8859-1", "windows-1252"},
    {"latin1", "windows-1252"},     {"l1", "windows-1252"},
    {"iso-8859-9", "windows-1254"}, {"latin5", "windows-1254"},
    {"iso-8859-11", "windows-874"}, {"tis-620", "windows-874"},
    {"gb2312", "gb18030"},          {"gbk", "gb18030"},
    {"x-gbk", "gb18030"},           {"gb_2312-80", "gb18030"},
    {"shift_jis", "windows-31j"},   {"shift-jis", "windows-31j"},
    {"sjis", "windows-31j"},        {"x-sjis", "windows-31j"},
    {"euc-kr", "windows-949"},      {"ks_c_5601-1987", "windows-949"},
    {"big5", "big5-hkscs"},         {"utf8", "utf-8"},
    {"unicode-1-1-utf-8", "utf-8"}, {"utf-16", "utf-16le"},
    {"x-user-defined", ""},
};

std::string canonical_label(std::string_view label) {
  while (!label.empty() && (label.front() == '"' || label.front() == '\'' || label.front() == ' '))
    label.remove_prefix(1);
  while (!label.empty() && (label.back() == '"' || label.back() == '\'' || label.back() == ' '))
    label.remove_suffix(1);
  std::string name = to_ascii_lower(label);
  const Label* known = std::find_if(std::begin(kLabels), std::end(kLabels),
                                    [&](const Label& l) { return l.written == name; });
  return known == std::end(kLabels) ? name : std::string(known->meant);
}

void count_and_replace(const void* context, UConverterToUnicodeArgs* args, const char*, int32_t,
                       UConverterCallbackReason reason, UErrorCode* error) {
  if (reason > UCNV_IRREGULAR) return;  // reset, close, clone
  auto* replaced = static_cast<int64_t*>(const_cast<void*>(context));
  ++*replaced;
  *error = U_ZERO_ERROR;
  const UChar replacement = 0xFFFD;
  ucnv_cbToUWriteUChars(args, &replacement, 1, 0, error);
}

std::string utf16_to_utf8(const UChar* text, int32_t units) {
  std::string out(static_cast<size_t>(units) * 3, '\0');
  int32_t length = 0;
  UErrorCode error = U_ZERO_ERROR;
  u_strToUTF8WithSub(out.data(), static_cast<int32_t>(out.size()), &length, text, units, 0xFFFD,
                     nullptr, &error);
  out.resize(static_cast<size_t>(length));
  return out;
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};

// False when ICU does not know the name; `into` is untouched then.
bool convert(std::string_view bytes, const std::string& name, DecodedText& into) {
  if (name.empty()) return false;
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<UConverter, CloseConverter> converter(ucnv_open(name.c_str(), &error));
  if (U_FAILURE(error)) return false;
  int64_t replaced = 0;
  ucnv_setToUCallBack(converter.get(), count_and_replace, &replaced, nullptr, nullptr, &error);
  if (U_FAILURE(error)) return false;
  std::string text;
  UChar block[16384];
  const char* from = bytes.data();
  const char* end = from + bytes.size();
  std::u16string pending;  // a high surrogate at the end of a block waits for its partner
  do {
    error = U_ZERO_ERROR;
    UChar* to = block;
    ucnv_toUnicode(converter.get(), &to, std::end(block), &from, end, nullptr, true, &error);
    if (U_FAILURE(error) && error != U_BUFFER_OVERFLOW_ERROR) return false;
    pending.append(block, static_cast<size_t>(to - block));
    bool keep = error == U_BUFFER_OVERFLOW_ERROR && !pending.empty() && U16_IS_LEAD(pending.back());
    char16_t last = keep ? pending.back() : u'\0';
    if (keep) pending.pop_back();
    text += utf16_to_utf8(pending.data(), static_cast<int32_t>(pending.size()));
    pending.assign(keep ? 1 : 0, last);
  } while (error == U_BUFFER_OVERFLOW_ERROR);
  into.text = std::move(text);
  into.charset = name;
  into.replaced = replaced;
  return true;
}

bool decode_as(std::string_view bytes, const std::string& name, std::string_view from,
               DecodedText& into) {
  if (name == "utf-8") {
    into.text = replace_invalid_utf8(bytes, &into.replaced);
    into.charset = name;
  } else if (!convert(bytes, name, into)) {
    return false;
  }
  into.from = from;
  if (into.text.starts_with("\xEF\xBB\xBF")) into.text.erase(0, 3);
  return true;
}

std::string detect_charset(std::string_view bytes) {
  struct Close {
    void operator()(UCharsetDetector* detector) const { ucsdet_close(detector); }
  };
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<UCharsetDetector, Close> detector(ucsdet_open(&error));
  if (U_FAILURE(error)) return "windows-1252";
  bytes = bytes.substr(0, kDetectWindow);
  ucsdet_setText(detector.get(), bytes.data(), static_cast<int32_t>(bytes.size()), &error);
  ucsdet_enableInputFilter(detector.get(), true);  // markup is not evidence
  const UCharsetMatch* match = ucsdet_detect(detector.get(), &error);
  if (U_FAILURE(error) || match == nullptr) return "windows-1252";
  const char* name = ucsdet_getName(match, &error);
  return U_FAILURE(error) ? "windows-1252" : canonical_label(name);
}

std::string bom_charset(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) return "utf-8";
  if (bytes.starts_with("\xFE\xFF")) return "utf-16be";
  if (bytes.starts_with("\xFF\xFE")) return "utf-16le";
  return {};
}

// The value behind `charset=` inside one <meta ...>, or empty.
std::string_view charset_in(std::string_view tag) {
  for (size_t i = 0; i + 7 < tag.size(); ++i) {
    if (!ascii_equal(tag.substr(i, 7), "charset")) continue;
    size_t j = i + 7;
    while (j < tag.size() && (tag[j] == ' ' || tag[j] == '\t' || tag[j] == '\n')) ++j;
    if (j >= tag.size() || tag[j] != '=') continue;
    std::string_view value = tag.substr(j + 1);
    size_t begin = std::min(value.find_first_not_of(" \t\n\r\"'"), value.size());
    value.remove_prefix(begin);
    return value.substr(0, std::min(value.find_first_of(" \t\n\r\"';/>"), value.size()));
  }
  return {};
}

}  // namespace

std::string meta_charset(std::string_view bytes) {
  bytes = bytes.substr(0, kMetaWindow);
  for (size_t i = bytes.find('<'); i != std::string_view::npos; i = bytes.find('<', i + 1)) {
    if (bytes.substr(i).starts_with("<!--")) {
      i = bytes.find("-->", i + 4);
      if (i == std::string_view::npos) break;
      continue;
    }
    if (!ascii_equal(bytes.substr(i, 5), "<meta")) continue;
    std::string_view tag = bytes.substr(i, bytes.find('>', i) - i);
    std::string name = to_ascii_lower(charset_in(tag));
    if (!name.empty()) return name;
  }
  return {};
}

DecodedText decode_text(std::string_view bytes, std::string_view header, bool html) {
  DecodedText decoded;
  std::string bom = bom_charset(bytes);
  if (!bom.empty() && decode_as(bytes, bom, "bom", decoded)) return decoded;
  if (!header.empty() && decode_as(bytes, canonical_label(header), "header", decoded))
    return decoded;
  if (html) {
    std::string name = canonical_label(meta_charset(bytes));
    // A document whose ASCII <meta> could be read is not UTF-16 (WHATWG HTML, 13.2.3.2).
    if (name.starts_with("utf-16")) name = "utf-8";
    if (!name.empty() && decode_as(bytes, name, "meta", decoded)) return decoded;
  }
  if (is_valid_utf8(bytes)) {
    decode_as(bytes, "utf-8", "utf-8", decoded);
    return decoded;
  }
  if (decode_as(bytes, detect_charset(bytes), "detected", decoded)) return decoded;
  decode_as(bytes, "windows-1252", "detected", decoded);
  return decoded;
}

}  // namespace ballast
