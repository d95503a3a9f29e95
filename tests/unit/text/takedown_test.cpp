#include "libcore/text/takedown.h"

#include <gtest/gtest.h>

#include "libcore/io/memory_file_system.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

TakedownList list_of(std::initializer_list<const char*> lines) {
  TakedownList list;
  int64_t number = 0;
  for (const char* line : lines) {
    const auto added = list.add(line, ++number, "list");
    EXPECT_TRUE(added.ok()) << line << ": " << added.error().message();
  }
  return list;
}

// Line of the entry that decides, 0 for none.
int64_t line_of(const TakedownList& list, const std::string& url, const std::string& id = "d") {
  const std::string host = url_host(url);
  const TakedownEntry* entry = list.match(id, url, host);
  EXPECT_TRUE(entry == nullptr || list.may_name(host)) << url;
  return entry == nullptr ? 0 : entry->line;
}

TEST(Takedown, AUrlIsOnePageHoweverItIsSpelled) {
  const TakedownList list = list_of({"http://h.example/a?b=1"});
  for (const char* same : {"http://h.example/a?b=1", "https://H.Example:443/a?b=1",
                           "http://u:p@h.example:80/%61?b=1#top"})
    EXPECT_EQ(line_of(list, same), 1) << same;
  for (const char* other :
       {"http://h.example/a", "http://h.example/a?b=12", "http://h.example/A?b=1",
        "http://h.example:81/a?b=1", "http://www.h.example/a?b=1", ""})
    EXPECT_EQ(line_of(list, other), 0) << other;
  EXPECT_EQ(line_of(list_of({"http://h.example"}), "https://h.example/"), 1);
}

TEST(Takedown, APrefixEndsInAStar) {
  const TakedownList list = list_of({"https://h.example/blog/*", "https://h.example/b*"});
  EXPECT_EQ(line_of(list, "https://h.example/blog/1"), 1);
  EXPECT_EQ(line_of(list, "https://h.example/blog/"), 1);
  EXPECT_EQ(line_of(list, "https://h.example/blog"), 2);
  EXPECT_EQ(line_of(list, "https://h.example/a"), 0);
  EXPECT_EQ(line_of(list, "https://h.example.org/blog/1"), 0);
}

// A star elsewhere never named what it seems to name.
TEST(Takedown, AStarThatIsNoWildcardIsRefused) {
  for (const char* line :
       {"http://*.example/p1", "http://*/p1", "http://h.example/a*b", "http://h.example/a**",
        "*.example", R"({"url":"http://*.example/p1"})"}) {
    TakedownList list;
    const auto added = list.add(line, 3, "list:3");
    ASSERT_FALSE(added.ok()) << line;
    EXPECT_EQ(added.error().kind, ErrorKind::corrupt);
  }
  EXPECT_EQ(line_of(list_of({"http://h.example/a%2Ab"}), "http://h.example/a*b"), 1);
  EXPECT_EQ(line_of(list_of({"http://h.example/a%2A*"}), "http://h.example/a*b"), 1);
  // What recheck wrote of a document can be asked for again.
  EXPECT_EQ(line_of(list_of({R"({"url":"http://h.example/a*b"})"}), "http://h.example/a*b"), 1);
}

TEST(Takedown, AHostIsNotItsSubdomains) {
  const TakedownList list = list_of({"H.example", ".h.example", ".org"});
  EXPECT_EQ(line_of(list, "http://h.example/x"), 1);
  EXPECT_EQ(line_of(list, "http://h.example:8080/x"), 1);
  EXPECT_EQ(line_of(list, "http://www.h.example/x"), 2);
  EXPECT_EQ(line_of(list, "http://a.b.h.example/x"), 2);
  EXPECT_EQ(line_of(list, "http://notth.example/x"), 0);
  EXPECT_EQ(line_of(list, "http://a.org/x"), 3);
  EXPECT_EQ(line_of(list_of({".h.example"}), "http://h.example/x"), 0);
}

TEST(Takedown, AnObjectNamesWhatAllItsKeysNarrowDown) {
  const TakedownList list = list_of({R"({"id":"7"})", R"({"id":"8","host":"h.example"})",
                                     R"({"url":"http://h.example/*","host":"h.example","x":1})"});
  EXPECT_EQ(line_of(list, "", "7"), 1);
  EXPECT_EQ(line_of(list, "http://h.example/1", "8"), 2);
  EXPECT_EQ(line_of(list, "http://i.example/1", "8"), 0);
  EXPECT_EQ(line_of(list, "http://h.example/1", "9"), 3);
}

TEST(Takedown, TheFirstLineDecides) {
  const TakedownList list =
      list_of({"# comment", "", ".example", "h.example  # and why", "http://h.example/x"});
  EXPECT_EQ(list.entries(), 3);
  EXPECT_EQ(line_of(list, "http://h.example/x"), 3);
  const TakedownList commented = list_of({"h.example\t# and why\r"});
  EXPECT_EQ(commented.match("", "", "h.example")->spelling, "h.example");
}

TEST(Takedown, OnlyHostsThatAreNamedAreAsked) {
  const TakedownList list =
      list_of({"http://a.example/1", ".b.example", R"({"id":"1","host":"c.example"})"});
  for (const char* asked : {"a.example", "x.b.example", "c.example"})
    EXPECT_TRUE(list.may_name(asked));
  for (const char* idle : {"", "b.example", "x.a.example", "d.example"})
    EXPECT_FALSE(list.may_name(idle));
  EXPECT_TRUE(list_of({R"({"id":"1"})"}).may_name(""));
}

TEST(Takedown, WhatIsNoEntryIsRefusedByItsPlace) {
  for (const char* line : {"h.example/path", "two words", "https://", "https://h.example*",
                           "http://h.example/a#b*", ".", "..example", "h.example:80", "a@b", "{}",
                           R"({"id":7})", R"({"url":"h.example"})", "{"}) {
    TakedownList list;
    const auto added = list.add(line, 3, "list:3");
    ASSERT_FALSE(added.ok()) << line;
    EXPECT_EQ(added.error().kind, ErrorKind::corrupt);
    EXPECT_EQ(added.error().where.substr(0, 6), "list:3");
  }
}

TEST(Takedown, IsReadFromAFile) {
  MemoryFileSystem fs;
  auto file = fs.create_exclusive("list");
  ASSERT_TRUE(
      (*file)->append(as_bytes("\xEF\xBB\xBFh.example\r\n\n  .i.example # why\nbad line\n")).ok());
  ASSERT_TRUE((*file)->close().ok());
  const auto list = load_takedown(fs, "list");
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().where, "list:4");
}

}  // namespace
}  // namespace ballast
