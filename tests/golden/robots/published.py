#!/usr/bin/env python3
"""The promises of google/robotstxt's published tests and documentation, and the examples of RFC 9309, restated with
files, robots and URLs of our own.

  PYTHONPATH=<protego 0.4.0> published.py > published.jsonl

needs jwm.robotstxt and protego==0.4.0 of PyPI. One line a question: `published` is what the source says, which
google/robotstxt must confirm for a promise of Google; `rfc` is set here by hand, `protego` is what Protego 0.4 answers.
`why` says, by reading, why it answers otherwise than published; a difference without reason is an error.
"""
import json
import sys

from jwm.robotstxt import googlebot
from protego import Protego

SITE = "http://site.example"
questions, unexpected = [], []


def case(name, robots, asked, rfc_differs=(), protego_differs=(), google_differs=(), why=None):
    """`asked`: (robot, path or URL, is it allowed by the source). The numbers of those where a reading differs, and why, by
    reading."""
    why = why or {}
    for number, (agent, url, published) in enumerate(asked):
        url = SITE + url if url.startswith("/") or not url else url
        raw = robots.encode("utf-8", "surrogateescape")
        google = googlebot.RobotsMatcher().AllowedByRobots(raw, [agent], url)
        protego = Protego.parse(raw.decode("utf-8", "replace")).can_fetch(url, agent)
        record = {"case": name, "robots": raw.decode("latin-1"), "agent": agent, "url": url, "published": published,
                  "rfc": published != (number in rfc_differs), "google": google, "protego": protego}
        for reading, differs in (("google", google_differs), ("rfc", rfc_differs), ("protego", protego_differs)):
            if (record[reading] != published) != (number in differs):
                unexpected.append(f"{name}, question {number}, {agent} {url}: {reading} answers {record[reading]}")
            elif number in differs:
                record.setdefault("why", {})[reading] = why[reading]
        questions.append(record)


# Nothing to obey.
case("empty", "", [("Rook", "", True), ("Rook", "/a", True), ("*", "/a", True)])
case("no rules", "User-agent: Rook\n", [("Rook", "/a", True)])
case("empty rule", "User-agent: Rook\nDisallow:\n", [("Rook", "/a", True)])
case("whole site", "User-agent: Rook\nDisallow: /\n", [("Rook", "", False), ("Rook", "/a", False), ("Pawn", "/a", True)])

# Lines.
case("field names", "user-agent: Rook\ndisallow: /\n", [("Rook", "/x/y", False)])
case("field names", "rook: user-agent\nslash: /\n", [("Rook", "/x/y", True)])
case("line without colon", "user-agent Rook\ndisallow /\n", [("Rook", "/x/y", False)], rfc_differs=[0],
     why={"rfc": "a record has a colon"})
case("line without colon", "user-agent: Rook\ndisallow\t/\n", [("Rook", "/x/y", False)], rfc_differs=[0], protego_differs=[0],
     why={"rfc": "a record has a colon", "protego": "the field is parted by a space, not by a tab"})
case("line without colon", "user-agent: Rook\ndisallow / /\n", [("Rook", "/x/y", True)])
for key in ("USER-AGENT", "User-Agent", "uSeR-aGeNt"):
    for allow, disallow in (("ALLOW", "DISALLOW"), ("Allow", "Disallow"), ("aLLoW", "dIsAlLoW")):
        case("case of field names", f"{key}: Rook\n{allow}: /x/\n{disallow}: /\n", [("Rook", "/x/y", True), ("Rook", "/a/b", False)])
for misspelt in ("Dissallow", "Dissalow", "Disalow", "Diasllow", "Disallaw"):
    case("misspelt disallow", f"User-agent: Rook\n{misspelt}: /x/\n", [("Rook", "/x/y", False)], rfc_differs=[0],
         why={"rfc": "an unknown record is ignored"})
for misspelt in ("Useragent", "User agent"):
    case("misspelt user-agent", f"{misspelt}: Rook\nDisallow: /x/\n", [("Rook", "/x/y", False)], rfc_differs=[0],
         why={"rfc": "an unknown record is ignored"})
case("longer field name", "User-agents: Rook\nDisallowed: /x/\n", [("Rook", "/x/y", False)], rfc_differs=[0],
     protego_differs=[0], why={"rfc": "an unknown record is ignored", "protego": "fields are compared whole"})
for end in ("\n", "\r", "\r\n"):
    case("line ends", end.join(["User-agent: Rook", "Allow: /ok/", "", "Disallow: /", ""]),
         [("Rook", "/ok/x", True), ("Rook", "/x", False)])
case("comments", "User-agent: Rook # the castle\n# Disallow: /a\nDisallow: /b # not this\n",
     [("Rook", "/a", True), ("Rook", "/b", False)])
case("byte order mark", "\ufeffUser-agent: Rook\nDisallow: /\n", [("Rook", "/a", False)], protego_differs=[0],
     why={"protego": "the mark is part of the first field's name"})
for part in (b"\xef", b"\xef\xbb"):
    case("part of a byte order mark", (part + b"User-agent: Rook\nDisallow: /\n").decode("utf-8", "surrogateescape"),
         [("Rook", "/a", False)], rfc_differs=[0], protego_differs=[0],
         why={"rfc": "only a whole mark is passed over", "protego": "the mark is part of the first field's name"})
case("byte order mark later on", "User-agent: Rook\n\ufeffAllow: /ok\nDisallow: /\n", [("Rook", "/ok", False)])

# Groups.
GROUPS = ("allow: /rook/a/\n\nuser-agent: Rook\ndisallow: /\nallow: /x/\nuser-agent: Pawn\ndisallow: /\nallow: /y/\n\n\n"
          "allow: /w/\nuser-agent: King\n\nuser-agent: Queen\nallow: /z/\ndisallow: /\n")
case("groups", GROUPS, [("Rook", "/x/b", True), ("Rook", "/z/d", False), ("Rook", "/y/c", False), ("Pawn", "/y/c", True),
                        ("Pawn", "/w/a", True), ("Pawn", "/z/d", False), ("Queen", "/z/d", True), ("Queen", "/x/b", False),
                        ("King", "/z/d", True), ("King", "/y/c", False), ("Bishop", "/y/c", True)])
for other in ("Sitemap: https://site.example/s.xml", "Unknown: field", "Crawl-delay: 3"):
    file = f"User-agent: Pawn\n{other}\nUser-agent: *\nDisallow: /\n"
    case("other records in a run of names", file, [("Pawn", "/a", False), ("Rook", "/a", False)], protego_differs=[0],
         why={"protego": "any other field ends a run of names"})
case("merged groups", "User-agent: Rook\nDisallow: /a\nUser-agent: Pawn\nDisallow: /b\nUser-agent: rook\nDisallow: /c\n",
     [("Rook", "/a", False), ("Rook", "/b", True), ("Rook", "/c", False), ("Pawn", "/b", False), ("Pawn", "/c", True)])
case("case of names", "User-Agent: ROOK knight\nAllow: /x/\nDisallow: /\n",
     [("Rook", "/x/y", True), ("rook", "/a/b", False), ("ROOK", "/a/b", False)], protego_differs=[1, 2],
     why={"protego": "a name is not cut at its first blank"})
case("names up to a blank", "User-agent: *\nDisallow: /\nUser-agent: Rook Knight\nAllow: /x/\nDisallow: /\n",
     [("Rook", "/x/y", True), ("Rook Knight", "/x/y", False)], rfc_differs=[1], protego_differs=[0, 1],
     why={"rfc": "a name that the RFC cannot spell is also compared whole",
          "protego": "a name is not cut at its first blank"})
case("names up to a slash", "User-agent: Rook/2.1\nDisallow: /\n", [("Rook", "/a", False), ("Rook/2.1", "/a", True)],
     rfc_differs=[1], protego_differs=[0, 1],
     why={"rfc": "a name that the RFC cannot spell is also compared whole", "protego": "a name is not cut at its slash"})
case("names are whole", "User-agent: Rook\nDisallow: /\n", [("Rookery", "/a", True), ("Roo", "/a", True)], protego_differs=[0],
     why={"protego": "a name counts wherever it stands in the name asked for"})
case("global group is second", "User-agent: *\nAllow: /\nUser-agent: Rook\nDisallow: /\n",
     [("Rook", "/a", False), ("Pawn", "/a", True)])
case("global group is second", "User-agent: *\nDisallow: /\nUser-agent: Rook\nAllow: /\n",
     [("Rook", "/a", True), ("Pawn", "/a", False)])
case("global group and a blank", "User-agent: * all\nDisallow: /\n", [("Rook", "/a", False)], protego_differs=[0],
     why={"protego": "a name is not cut at its first blank"})
case("global group and a word", "User-agent: *all\nDisallow: /\n", [("Rook", "/a", True)])
case("empty rule of the named group", "User-agent: Rook\nDisallow:\n\nUser-agent: *\nDisallow: /\n",
     [("Rook", "/a", True), ("Pawn", "/a", False)])
case("rules before any name", "Disallow: /\nUser-agent: Rook\nDisallow: /a\n", [("Rook", "/a", False), ("Rook", "/b", True)])

# Paths.
case("case of paths", "User-agent: Rook\nDisallow: /x/\n", [("Rook", "/x/y", False), ("Rook", "/X/y", True)])
for rules, path, allowed in (("disallow: /x/page.html\nallow: /x/\n", "/x/page.html", False),
                             ("disallow: /x/page.html\nallow: /x/\n", "/x/", True),
                             ("allow: /x/page.html\ndisallow: /x/\n", "/x/page.html", True),
                             ("allow: /x/page.html\ndisallow: /x/\n", "/x/", False),
                             ("disallow:\nallow:\n", "/x/page.html", True),
                             ("disallow: /\nallow: /\n", "/x/page.html", True),
                             ("disallow: /x\nallow: /x/\n", "/x", False),
                             ("disallow: /x\nallow: /x/\n", "/x/", True),
                             ("disallow: /x/page.html\nallow: /x/page.html\n", "/x/page.html", True),
                             ("allow: /page\ndisallow: /*.html\n", "/page.html", False),
                             ("allow: /page\ndisallow: /*.html\n", "/page", True),
                             ("allow: /x/page.\ndisallow: /*.html\n", "/x/page.html", True),
                             ("allow: /x/page.\ndisallow: /*.html\n", "/x/y.html", False),
                             ("allow: /p\ndisallow: /\n", "/page", True),
                             ("allow: /folder\ndisallow: /folder\n", "/folder/page", True),
                             ("allow: /$\ndisallow: /\n", "/", True),
                             ("allow: /$\ndisallow: /\n", "/page.html", False)):
    case("longest match", "user-agent: Rook\n" + rules, [("Rook", path, allowed)])
case("longest match", "User-agent: *\nDisallow: /x/page.html\nUser-agent: Rook\nDisallow: /y/page.html\n",
     [("Rook", "/x/page.html", True), ("Rook", "/y/page.html", False)])

for pattern, hits, misses in (("/fish", ["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html",
                                         "/fish.php?id=anything"], ["/Fish.asp", "/catfish", "/?id=fish", "/desert/fish"]),
                              ("/fish*", ["/fish", "/fishheads/yummy.html", "/fish.php?id=anything"], ["/Fish.bar", "/catfish"]),
                              ("/fish/", ["/fish/", "/fish/salmon", "/fish/?salmon", "/fish/?id=anything"],
                               ["/fish", "/fish.html", "/animals/fish/", "/Fish/Salmon.asp"]),
                              ("/*.php", ["/filename.php", "/folder/any.php.file.html", "/folder/filename.php/", "/index?f=x.php/"],
                               ["/", "/windows.PHP", "/php/"]),
                              ("/*.php$", ["/filename.php", "/folder/filename.php"],
                               ["/filename.php?parameters", "/filename.php/", "/filename.php5", "/php/", "/windows.PHP"]),
                              ("/fish*.php", ["/fish.php", "/fishheads/catfish.php?parameters"], ["/Fish.PHP", "/fish.html"])):
    case("paths of the documentation", f"user-agent: Rook\ndisallow: {pattern}\n",
         [("Rook", path, False) for path in hits] + [("Rook", path, True) for path in misses])
case("star", "User-agent: Rook\nDisallow: /x/y/*.html\n", [("Rook", "/x/y/a/b.html", False), ("Rook", "/x/y.html", True)])
case("star", "User-agent: Rook\nDisallow: /x*y$\n", [("Rook", "/xaby", False), ("Rook", "/xabyz", True)])
case("dollar", "User-agent: Rook\nDisallow: /x/page$\n", [("Rook", "/x/page", False), ("Rook", "/x/page?q", True)])
case("hash", "User-agent: Rook\nDisallow: /x/page#part\nDisallow: /y\n", [("Rook", "/x/page", False), ("Rook", "/y", False)])
INDEX = "User-Agent: *\nAllow: /open/index.html\nDisallow: /\n"
case("index page stands for its folder", INDEX,
     [("Rook", "/open/", True), ("Rook", "/open/index.html", True), ("Rook", "/open/index.htm", False), ("Rook", "/other", False)],
     rfc_differs=[0], why={"rfc": "Google's alone"})

# Escapes. Google compares the URL as it comes.
case("escapes", "User-agent: Rook\nDisallow: /\nAllow: /x?q=w&u=http://a.example\n",
     [("Rook", "/x?q=w&u=http://a.example", True)])
case("escapes", "User-agent: Rook\nDisallow: /\nAllow: /x/\u30c4\n", [("Rook", "/x/%E3%83%84", True), ("Rook", "/x/\u30c4", False)],
     rfc_differs=[1], protego_differs=[1], why={"rfc": "URLs are escaped before they are compared",
                                                "protego": "URLs are escaped before they are compared"})
case("escapes", "User-agent: Rook\nDisallow: /\nAllow: /x/%e3%83%84\n", [("Rook", "/x/%E3%83%84", True), ("Rook", "/x/%e3%83%84", False)],
     rfc_differs=[1], protego_differs=[1], why={"rfc": "URLs are normalised before they are compared",
                                                "protego": "URLs are normalised before they are compared"})
case("escapes", "User-agent: Rook\nDisallow: /\nAllow: /x/%62%61%7A\n", [("Rook", "/x/baz", False), ("Rook", "/x/%62%61%7A", True)],
     rfc_differs=[0], protego_differs=[0], why={"rfc": "escaped letters are letters", "protego": "escaped letters are letters"})

# RFC 9309 itself, where Google promises nothing or something else.
case("RFC 2.2.1 example", "User-Agent: rook\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n"
     "User-Agent: pawn\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n"
     "User-Agent: queen\nUser-Agent: king\nAllow:/example/page.html\nAllow:/example/allowed.gif\nDisallow:/\n\nUser-Agent: bishop\n",
     [("Rook", "/a/b.gif", False), ("Rook", "/a/b.gif?x", True), ("Rook", "/example/", False), ("Rook", "/publications/x", True),
      ("Pawn", "/example/page.html", True), ("Pawn", "/example/other.html", False), ("Queen", "/example/allowed.gif", True),
      ("King", "/", False), ("Bishop", "/anything", True)])
case("RFC 5.2 longest match", "User-Agent: rook\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n",
     [("Rook", "/example/page/", True), ("Rook", "/example/page/disallowed.gif", False), ("Rook", "/else", True)])
RFC_ESCAPE = "Google compares the URL as it comes"
for pattern, path in (("/foo/bar?baz=quz", "/foo/bar?baz=quz"), ("/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http%3A%2F%2Ffoo.bar"),
                      ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84"), ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84"),
                      ("/foo/bar/%62%61%7A", "/foo/bar/baz")):
    google = "http%3A" in path or "%62" in pattern
    case("RFC 2.2.2 escapes", f"User-agent: Rook\nDisallow: {pattern}\n", [("Rook", path, False)],
         google_differs=[0] if google else [], protego_differs=[0] if "http%3A" in path else [],
         why={"google": RFC_ESCAPE, "protego": "queries are compared as they come"})
case("RFC 2.2.3 special characters", "User-agent: Rook\nDisallow: /path/file-with-a-%2A.html\nDisallow: /path/foo-%24\n",
     [("Rook", "/path/file-with-a-*.html", False), ("Rook", "/path/foo-$", False), ("Rook", "/path/file-with-a-x.html", True)],
     google_differs=[0, 1], why={"google": RFC_ESCAPE})
case("RFC 2.2.2 robots.txt itself", "User-agent: *\nDisallow: /\n", [("Rook", "/robots.txt", True)], google_differs=[0],
     protego_differs=[0], why={"google": "a path like any other", "protego": "a path like any other"})
case("RFC 2.2.2 tie", "User-agent: Rook\nDisallow: /a\nAllow: /a\n", [("Rook", "/a", True)])

if unexpected:
    sys.exit("\n".join(unexpected))
for record in questions:
    print(json.dumps(record, separators=(",", ":")))
