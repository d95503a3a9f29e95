// --config files: TOML of any shape becomes words for known options, or one error.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/cli/arguments.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  CLI::App app;
  std::string clip;
  std::vector<std::string> sources;
  double lr = 0;
  bool guard = false;
  app.add_option("--clip", clip);
  app.add_option("--data", sources);
  app.add_option("--peak-lr", lr);
  app.add_flag("--guard", guard);
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto words = ballast::config_words(app, text, "fuzz.toml", {});
  if (!words.ok()) {
    BALLAST_CHECK(words.error().kind == ballast::ErrorKind::usage);
    BALLAST_CHECK(words.error().where.starts_with("fuzz.toml:"));
    return 0;
  }
  for (size_t i = 0; i < words->size(); ++i) {
    const CLI::Option* option = app.get_option_no_throw((*words)[i]);
    BALLAST_CHECK(option != nullptr);
    if (option->get_items_expected_max() > 0) BALLAST_CHECK(++i < words->size());
  }
  return 0;
}
