#include "libcore/text/license/license_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"
#include "libcore/text/license/license_names.h"
#include "libcore/text/license/spdx.h"

namespace ballast {
namespace {

struct Preset {
  const char* name;
  std::string_view patterns;
};
constexpr std::string_view kPublicDomain =
    "CC0-1.0,CC-PDM-1.0,CC-PDDC,LicenseRef-Public-Domain,PDDL-1.0,Unlicense";
constexpr Preset kPresets[] = {
    {"copyleft",
     "CC-BY-SA-*,GPL-*,LGPL-*,AGPL-*,GFDL-*,MPL-*,EPL-*,EUPL-*,ODbL-*,OSL-*,CDDL-*,CECILL-*"},
    {"noderivatives", "CC-BY-ND-*,CC-BY-NC-ND-*"},
    {"noncommercial", "CC-BY-NC-*,CC-BY-NC-SA-*,CC-BY-NC-ND-*"},
    {"permissive",
     "public-domain,CC-BY-*,ODC-By-*,MIT,MIT-0,0BSD,Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,Zlib,"
     "BSL-1.0,PostgreSQL,PSF-2.0,Python-2.0,NCSA,X11,UPL-1.0,WTFPL,OGL-UK-*,etalab-*"},
    {"public-domain", kPublicDomain}};

// The items between commas, presets taken apart.
void append_items(std::string_view list, std::vector<std::string>& items) {
  while (true) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = trim_blanks(list.substr(0, comma));
    const auto* preset =
        std::find_if(std::begin(kPresets), std::end(kPresets),
                     [&](const Preset& known) { return ascii_equal(known.name, item); });
    if (preset != std::end(kPresets)) {
      append_items(preset->patterns, items);
    } else {
      items.emplace_back(item);
    }
    if (comma == list.size()) return;
    list.remove_prefix(comma + 1);
  }
}

Result<std::vector<std::string>> parse_list(std::string_view list, const std::string& where) {
  std::vector<std::string> items;
  append_items(list, items);
  for (std::string& item : items) {
    if (item == "*") continue;
    const bool versions = item.ends_with("-*");
    const std::string known = versions ? std::string() : normalized_license(item);
    const bool one = !known.empty() && known.find(' ') == std::string::npos;
    if (versions ? !starts_spdx_license(item.substr(0, item.size() - 1)) : !one) {
      return usage_error(
          fmt::format("unknown licence '{}'", printable(item)), where,
          fmt::format("SPDX identifiers, or {}", fmt::join(license_presets(), ", ")));
    }
    if (!versions) item = known;
  }
  return items;
}

bool matches(std::string_view pattern, std::string_view id) {
  if (pattern == "*") return true;
  if (ascii_equal(pattern, id)) return true;
  if (!pattern.ends_with("-*")) return false;
  pattern.remove_suffix(1);
  constexpr std::string_view kOwn = "LicenseRef-";  // a version that was not said
  if (id.starts_with(kOwn)) {
    id.remove_prefix(kOwn.size());
    if (ascii_equal(pattern.substr(0, pattern.size() - 1), id)) return true;
  }
  return id.size() > pattern.size() && ascii_equal(id.substr(0, pattern.size()), pattern) &&
         is_ascii_digit(id[pattern.size()]);
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view id) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, id); });
}

}  // namespace

const char* license_outcome_name(LicenseOutcome outcome) {
  constexpr const char* kNames[] = {"allowed", "missing", "unrecognised", "denied"};
  return kNames[static_cast<size_t>(outcome)];
}

std::vector<std::string> license_presets() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

Result<LicensePolicy> LicensePolicy::parse(std::string_view spec, const std::string& where) {
  LicensePolicy policy;
  std::optional<bool> unknown;
  policy.given_ = true;
  while (true) {
    const size_t end = std::min(spec.find(';'), spec.size());
    const std::string_view clause = trim_blanks(spec.substr(0, end));
    if (clause == "unknown=keep" || clause == "unknown=drop") {
      unknown = clause == "unknown=keep";
    } else if (clause.starts_with("deny:")) {
      std::vector<std::string> list = BALLAST_TRY(parse_list(clause.substr(5), where));
      policy.denied_.insert(policy.denied_.end(), list.begin(), list.end());
    } else {
      const size_t word = clause.starts_with("allow:") ? 6 : 0;
      if (clause.find_first_of(":=") < clause.size() && word == 0) {
        return usage_error(fmt::format("unknown clause '{}'", printable(clause)), where,
                           "allow:LIST, deny:LIST, unknown=keep, unknown=drop");
      }
      std::vector<std::string> list = BALLAST_TRY(parse_list(clause.substr(word), where));
      policy.allowed_.insert(policy.allowed_.end(), list.begin(), list.end());
    }
    if (end == spec.size()) break;
    spec.remove_prefix(end + 1);
  }
  policy.keep_unknown_ = unknown.value_or(policy.allowed_.empty());
  return policy;
}

bool LicensePolicy::allows(std::string_view id) const {
  if (id.ends_with('+')) id.remove_suffix(1);
  return !matches_any(denied_, id) && (allowed_.empty() || matches_any(allowed_, id));
}

LicenseVerdict LicensePolicy::judge(std::string_view said) const {
  LicenseVerdict verdict;
  verdict.expression = normalized_license(said);
  if (verdict.expression.empty()) {
    const bool blank = trim_blanks(said).empty();
    verdict.outcome = blank ? LicenseOutcome::missing : LicenseOutcome::unrecognised;
    verdict.kept = keep_unknown_;
  } else {
    verdict.kept =
        license_satisfies(verdict.expression, [this](std::string_view id) { return allows(id); });
    if (!verdict.kept) verdict.outcome = LicenseOutcome::denied;
  }
  return verdict;
}

}  // namespace ballast
