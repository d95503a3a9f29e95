#include "libcore/text/url.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Url, SplitsAsRfc3986Does) {
  UrlParts parts = split_url("https://User@Host.example:8080/p/a?q=1#f");
  EXPECT_EQ(parts.scheme, "https");
  EXPECT_EQ(parts.netloc, "User@Host.example:8080");
  EXPECT_EQ(parts.target, "/p/a?q=1");
  EXPECT_EQ(split_url("http://h?q").target, "?q");
  EXPECT_EQ(split_url("http://h").target, "");
  EXPECT_EQ(split_url("//h/p").netloc, "h");
  EXPECT_EQ(split_url("/p:q").netloc, "");
  EXPECT_EQ(split_url("/p:q").target, "/p:q");
  EXPECT_EQ(split_url("dns:h.example").scheme, "dns");
}

TEST(Url, HostIsLowerCaseWithoutUserAndPort) {
  EXPECT_EQ(url_host("http://a:b@WWW.Example.org:80/x"), "www.example.org");
  EXPECT_EQ(url_host("http://[::1]:8080/"), "[::1]");
  EXPECT_EQ(url_host("nonsense"), "");
}

TEST(Url, HostOfTheAuthorityWithoutDefaultPortIsTheHost) {
  for (const char* url : {"http://[::1M:80/", "http://a:1:80/", "http://a::/", "https://[a]x:443/",
                          "http://a::80/", "http://a:80/", "http://a:/", "http://[::1]:80/"})
    EXPECT_EQ(url_host("//" + canonical_netloc(split_url(url))), url_host(url)) << url;
  EXPECT_EQ(url_host("http://::1:80/"), "::1:80");
}

TEST(Url, CanonicalNetlocDropsUserCaseAndOwnPort) {
  EXPECT_EQ(canonical_netloc(split_url("http://u@H.Example:80/")), "h.example");
  EXPECT_EQ(canonical_netloc(split_url("https://H:443/")), "h");
  EXPECT_EQ(canonical_netloc(split_url("https://H:80/")), "h:80");
  EXPECT_EQ(canonical_netloc(split_url("http://[::1]/")), "[::1]");
}

}  // namespace
}  // namespace ballast
