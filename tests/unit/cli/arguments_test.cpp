#include "libcore/cli/arguments.h"

#include <gtest/gtest.h>

#include <map>

#include "libcore/cli/options.h"
#include "libcore/io/memory_file_system.h"

namespace ballast {
namespace {

using Words = std::vector<std::string>;

struct Values {
  std::vector<std::string> inputs, data;
  std::string clip = "none";
  double lr = 0.1;
  int64_t tokens = 0;
  bool guard = false;
};

Values* values = nullptr;  // where the verb below keeps what was parsed

VerbRun add_train(CLI::App& app, const CommonOptions&) {
  app.add_option("input", values->inputs, "inputs");
  app.add_option("--data", values->data, "sources");
  app.add_option("--clip", values->clip, "clipping");
  app.add_option("--lr", values->lr, "rate");
  count_option(app, "--batch-tokens", values->tokens, "tokens");
  app.add_flag("--guard", values->guard, "guard");
  return [] { return kExitDone; };
}
constexpr Verb kTrain = {"train", "train", add_train};

class ArgumentsTest : public ::testing::Test {
 protected:
  ArgumentsTest() { values = &parsed_; }

  // Resolves and parses; the error's message, or "".
  std::string parse(const Words& typed) {
    parsed_ = Values();
    const Tool tool = {"sample", "a tool", std::span(&kTrain, 1)};
    const auto app = make_verb_app(tool, kTrain, common_, nullptr);
    const auto arguments = resolve_arguments(*app, fs_, typed, [this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    });
    if (!arguments.ok()) {
      EXPECT_EQ(arguments.error().kind, ErrorKind::usage);
      return arguments.error().message();
    }
    Words reversed(arguments->words.rbegin(), arguments->words.rend());
    app->parse(std::move(reversed));
    saved_ = config_text(*app);
    return "";
  }
  void config(const std::string& text) {
    (void)fs_.remove("run.toml");
    ASSERT_TRUE((*fs_.open_append("run.toml"))->append(as_bytes(text)).ok());
  }

  MemoryFileSystem fs_;
  std::map<std::string, std::string> environment_;
  CommonOptions common_;
  Values parsed_;
  std::string saved_;
};

TEST_F(ArgumentsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  EXPECT_EQ(parse({}), "");
  EXPECT_EQ(parsed_.lr, 0.1);
  config("lr = 1.0\n");
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.lr, 1.0);
  environment_["BALLAST_LR"] = "2";
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.lr, 2.0);
  EXPECT_EQ(parse({"--config", "run.toml", "--lr=3"}), "");
  EXPECT_EQ(parsed_.lr, 3.0);
}

TEST_F(ArgumentsTest, SetIsAFlagAndTheLaterWins) {
  EXPECT_EQ(parse({"--lr", "1", "--set", "lr=2"}), "");
  EXPECT_EQ(parsed_.lr, 2.0);
  EXPECT_EQ(parse({"--set=lr=2", "--lr", "1", "--set", "batch_tokens=0.5M", "--set", "guard=true"}),
            "");
  EXPECT_EQ(parsed_.lr, 1.0);
  EXPECT_EQ(parsed_.tokens, 500000);
  EXPECT_TRUE(parsed_.guard);
  EXPECT_EQ(parse({"--set", "lrr=1"}), "--set: unknown key 'lrr' (did you mean 'lr'?)");
  EXPECT_EQ(parse({"--set", "lr"}), "--set takes key=value, not 'lr'");
}

TEST_F(ArgumentsTest, ListsOfTheFileAreReplacedNotJoined) {
  config("data = [\"a\", \"b\"]\n");
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.data, (Words{"a", "b"}));
  EXPECT_EQ(parse({"--config", "run.toml", "--data", "c"}), "");
  EXPECT_EQ(parsed_.data, Words{"c"});
}

TEST_F(ArgumentsTest, TablesBecomeStrategies) {
  config("[clip]\nkind = \"zclip\"\nz = 2.5\nmode = \"max\"\n[clip.cap]\nlow = 1\n");
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.clip, "zclip:cap.low=1,mode=max,z=2.5");
  config("clip = {kind = \"fixed\", value = 1.0}\n");
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.clip, "fixed:1");
  config("[[data]]\nfrom = \"2B\"\nweights = [1, 3]\n[[data]]\nfrom = \"4B\"\n");
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.data, (Words{"from=2B,weights=1:3", "from=4B"}));
}

TEST_F(ArgumentsTest, FileErrorsNameTheLine) {
  const auto with = [&](const std::string& text) {
    config(text);
    return parse({"--config", "run.toml"});
  };
  EXPECT_EQ(with("lr = 1\n\nbatch_token = 5\n"),
            "unknown key 'batch_token': run.toml:3 (did you mean 'batch_tokens'?)");
  EXPECT_EQ(with("z = 1\na = 2\n"), "unknown key 'z': run.toml:1");
  EXPECT_EQ(with("config = \"x\"\n"), "unknown key 'config': run.toml:1");
  EXPECT_TRUE(with("lr = 1\nlr = 2\n").starts_with("malformed TOML: run.toml:2 ("));
  EXPECT_TRUE(with("lr = \n").starts_with("malformed TOML: run.toml:1 ("));
  EXPECT_EQ(with("lr = [1, 2]\n"), "'lr' takes one value: run.toml:1");
  EXPECT_EQ(with("guard = \"yes\"\n"), "'guard' takes true or false: run.toml:1");
  EXPECT_TRUE(with("lr = 1979-05-27\n").starts_with("value is not a string, number"));
  EXPECT_EQ(with("clip = {kind = \"a,b\"}\n"),
            "value of 'kind' is empty or has a comma: run.toml:1");
}

TEST_F(ArgumentsTest, SavedConfigReadsBackTheSame) {
  EXPECT_EQ(parse({"--lr", "3e-4", "--data", "a \"b\"", "--data", "c\\d", "--guard", "-vv",
                   "--batch-tokens", "4B"}),
            "");
  const Values first = parsed_;
  const std::string text = saved_;
  config(text);
  EXPECT_EQ(parse({"--config", "run.toml"}), "");
  EXPECT_EQ(parsed_.lr, first.lr);
  EXPECT_EQ(parsed_.data, first.data);
  EXPECT_EQ(parsed_.tokens, first.tokens);
  EXPECT_TRUE(parsed_.guard);
}

TEST_F(ArgumentsTest, EnvironmentSpeaksForFlagsToo) {
  environment_["BALLAST_GUARD"] = "yes";
  EXPECT_EQ(parse({}), "");
  EXPECT_TRUE(parsed_.guard);
  environment_["BALLAST_GUARD"] = "off";
  EXPECT_EQ(parse({}), "");
  EXPECT_FALSE(parsed_.guard);
  environment_["BALLAST_GUARD"] = "maybe";
  EXPECT_EQ(parse({}), "'maybe' is not true or false: BALLAST_GUARD");
}

TEST_F(ArgumentsTest, OperandsMayLookLikeAnything) {
  EXPECT_EQ(parse({"-5", "-", "[a,b]", "--data", "--x", "x", "--", "--lr", "-q"}), "");
  EXPECT_EQ(parsed_.inputs, (Words{"-5", "-", "./[a,b]", "x", "--lr", "-q"}));
  EXPECT_EQ(parsed_.data, Words{"--x"});
}

TEST_F(ArgumentsTest, UnknownOptionsNameTheirNeighbour) {
  EXPECT_EQ(parse({"--batch-tokenz", "5"}),
            "unknown option '--batch-tokenz' (did you mean '--batch-tokens'?)");
  EXPECT_EQ(parse({"-qx"}), "unknown option '-x'");
  EXPECT_EQ(parse({"--lr"}), "--lr needs a value (N)");
}

TEST_F(ArgumentsTest, RepeatedScalarsTakeTheLast) {
  EXPECT_EQ(parse({"--lr", "1", "--lr", "2", "-j4", "-j", "2"}), "");
  EXPECT_EQ(parsed_.lr, 2.0);
  EXPECT_EQ(common_.threads, 2);
}

}  // namespace
}  // namespace ballast
