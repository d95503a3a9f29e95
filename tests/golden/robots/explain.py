#!/usr/bin/env python3
"""Why the readings of robots.txt differ: asks `tokshard robots` and a peer the random questions of agree.py, and takes one
trait after the other out of the file, the name and the URL of each that differs, until both answer the same.

  explain.py TOKSHARD MODE PEER [FILES [SEED]]       PEER: google, or protego in the version that Python imports

One line a trait whose removal alone settles questions, with an example; then what needs several at once, and what no
removal settles. Of a question that several traits settle, the first in the list below is named. Protego can take minutes over one
pattern of many stars.
"""
import collections
import json
import os
import re
import sys
import tempfile

import agree

RULES = ("allow", "disallow")


def lines_of(text):
    return re.split("\r\n|\r|\n", text)


def rewrite(text, change):
    """`change` takes the lower-case field and the value of a line and gives the new line, or None to leave it out."""
    out = []
    for line in lines_of(text):
        field, colon, value = line.partition(":")
        if not colon:
            out.append(line)
            continue
        new = change(field.strip(" \t").lower(), value.split("#")[0].strip(" \t"), line)
        if new is not None:
            out.append(new)
    return "\n".join(out)


def letters(text):
    return re.sub("[^A-Za-z_-]", "x", text)


def plain_path(path):
    return re.sub(r"[^A-Za-z0-9/*$?._~-]", "e", path)


def url_path(url, change):
    head = re.match("(?i)https?://[^/?#;]*", url)
    return head.group() + change(url[head.end():]) if head else url


def rule_value(change):
    return lambda text, agent, url: (
        rewrite(text, lambda field, value, line: f"{field}: {change(value)}" if field in RULES else line), agent, url)


def whole_names(text, agent, url):
    """Of the names in the file only `*` and the one asked for remain, as RFC 9309 and this project's `rfc` match them."""
    def change(field, value, line):
        if field != "user-agent":
            return line
        token = re.split("[/ \t,;(]", value)[0]
        same = agent.lower() in (value.lower(), token.lower())
        return "User-agent: " + ("*" if value == "*" or token == "*" else letters(agent) if same else "zzz")
    return rewrite(text, change), agent if agent == "*" else letters(agent), url


def known_fields(text, agent, url):
    return rewrite(text, lambda field, value, line: line if field in RULES + ("user-agent",) else None), agent, url


def colons_only(text, agent, url):
    return "\n".join(line for line in lines_of(text) if ":" in line.split("#")[0]), agent, url


def both(change):
    """The same change of the paths of rules and of the URL."""
    return lambda text, agent, url: (rule_value(change)(text, agent, url)[0], agent, url_path(url, change))


# Name, the peers it is looked for with, does the answer of our mode have to stay (a removal that takes rules away would settle
# too much otherwise), and the removal.
TRAITS = [
    ("/robots.txt itself", "google protego versions", False, lambda t, a, u: (t, a, url_path(u, lambda p: p.replace("robots.txt", "robots")))),
    ("a NUL in a line", "google", False, lambda t, a, u: (t.replace("\0", ""), a, u)),
    ("a byte order mark, whole or in part", "google protego", False,
     lambda t, a, u: (re.sub("^(\ufeff|\udcef\udcbb|\udcef)", "", t), a, u)),
    ("lines over 16,663 bytes", "google", False, lambda t, a, u: ("\n".join(line[:2000] for line in lines_of(t)), a, u)),
    ("index.htm stands for its folder", "google protego", False, both(lambda v: v.replace("index.htm", "indexhtm"))),
    ("the fragment of a URL", "protego versions", False, lambda t, a, u: (t, a, u.split("#")[0])),
    ("'$' in a URL", "protego", False, lambda t, a, u: (t, a, url_path(u, lambda p: p.replace("$", "d")))),
    ("'=' in a path", "protego versions", False, both(lambda v: v.replace("=", "e"))),
    ("'$' or '*' in a query, '$' inside a pattern", "protego versions", False,
     both(lambda v: re.sub(r"\$(?!$)", "d", v).replace("?", "q"))),
    ("lines without a colon", "google protego", True, colons_only),
    ("lines without a colon", "versions", False, colons_only),
    ("which names a name matches", "google protego", True, whole_names),
    ("which names a name matches", "versions", False, whole_names),
    ("misspelt, longer and other fields", "google protego", True, known_fields),
    ("misspelt, longer and other fields", "versions", False, known_fields),
    ("escapes, octets beyond ASCII and reserved ones", "google protego versions", False, both(plain_path)),
    ("patterns that do not begin with '/', or with '//'", "google protego", False,
     rule_value(lambda v: v if re.match("/(?!/)|$", v) else "/zzz")),
    ("line ends and blanks of Python or C", "google protego", False,
     lambda t, a, u: (re.sub("[\x0b\x0c\x1c-\x1f\x85\xa0\u2028\u2029\u3000]", "", t), a, u)),
    ("URLs without scheme, host or path", "google protego versions", False,
     lambda t, a, u: (t, a, u if re.match("https?://[a-z.]+/(?!/)", u) else "http://h.example/zzz")),
]


class Pair:
    def __init__(self, tokshard, mode, peer, path):
        self.tokshard, self.mode, self.peer, self.path = tokshard, mode, agree.PEERS[peer], path
        self.kind = "versions" if mode == peer else peer

    def ours(self, raw, agent, urls):
        with open(self.path, "wb") as out:
            out.write(raw)
        return agree.ours(self.tokshard, self.path, self.mode, agent, urls)

    def answers(self, text, agent, url):
        raw = text.encode("utf-8", "surrogateescape")
        return self.ours(raw, agent, [url])[0], not self.peer(raw)(agent, url)

    def explanation(self, text, agent, url, before):
        together = (text, agent, url)
        for name, kinds, stays, remove in TRAITS:
            if self.kind not in kinds.split():
                continue
            mine, theirs = self.answers(*remove(text, agent, url))
            if mine == theirs and (mine == before or not stays):
                return name
        for _, kinds, _, remove in TRAITS:
            if self.kind not in kinds.split():
                continue
            together = remove(*together)
            mine, theirs = self.answers(*together)
            if mine == theirs:
                return "several of these at once"
        return "none of these"


def main(tokshard, mode, peer, count, seed):
    asked, found, examples = 0, collections.Counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(tokshard, mode, peer, os.path.join(folder, "robots.txt"))
        for raw, agents, urls, _ in agree.cases(seed, count, 3, 12, True):
            ask = pair.peer(raw)
            for agent in agents:
                answers = pair.ours(raw, agent, urls)
                asked += len(urls)
                for url, answer in zip(urls, answers):
                    if answer == (not ask(agent, url)):
                        continue
                    trait = pair.explanation(raw.decode("utf-8", "surrogateescape"), agent, url, answer)
                    found[trait] += 1
                    examples.setdefault(trait, [repr(re.sub(b"x{9,}", b"x..x", raw)), agent, url])
    for trait, number in found.most_common():
        print(json.dumps({"trait": trait, "questions": number, "example": examples[trait]}))
    print(json.dumps({"files": count, "questions": asked, "differences": sum(found.values())}))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[4:]]
    main(sys.argv[1], sys.argv[2], sys.argv[3], *(numbers + [100, 1][len(numbers):]))
