#!/usr/bin/env python3
"""Verdicts of peers on random robots.txt files, to be agreed with.

Peers, in a throw-away virtual environment: Protego 0.4.0 (PyPI: protego==0.4.0), and google/robotstxt
itself through its Python binding (PyPI: jwm.robotstxt).

  agree.py golden FILE      write the cases of tests/unit/text/robots_agreement_test.cpp
  agree.py compare TOKSHARD [FILES [SEED]]
                            ask `tokshard robots` too and print every difference

A case is one file, asked for each agent and each URL. Verdicts are one hexadecimal digit string per
mode: bit i of the whole is set when question i (agents outside, URLs inside) is disallowed.
"""
import json
import logging
import os
import random
import re
import subprocess
import sys
import tempfile

from jwm.robotstxt import googlebot
from protego import Protego

logging.disable(logging.CRITICAL)
AGENTS = ["GPTBot", "CCBot", "CCBot/2.0", "AI2Bot", "*", "Google-Extended", "Kangaroo Bot"]
NAMES = ["GPTBot", "gptbot", "GPTBot/1.0", "GPTBot, CCBot", "GPT*", "*bot", "bot", "CCBot", "ccbot/2.0", "CCBot/2",
         "*", "*", "* # all", "* all", "*all", "**", "Kangaroo Bot", "\u212aangaroo", "AI2Bot", "AI", "Google-Extended",
         "Google", "other", "", "B", "\u00e9", "Kangaroo"]
AGENT_KEYS = ["User-agent"] * 8 + ["user-AGENT", "Useragent", "User agent", "User-agents", "USER-AGENT ", "\ufeffUser-agent"]
RULE_KEYS = ["Disallow"] * 8 + ["Allow"] * 6 + ["disallow", "DISALLOW", "allow", "Dissallow", "Disalow", "diasllow",
             "Disallaw", "Disallowed", "Allows", "Disallow ", "\tDisallow", "Dis allow", "alow"]
OTHER_LINES = ["", "", "# note", "Sitemap: https://h.example/s.xml", "sitemaps: x", "Site-map: y", "Crawl-delay: 3",
               "Host: h.example", "Request-rate: 1/5", "Noindex: /a", "Content-Signal: ai-train=no", "garbage", ":", ": x",
               "two words", "three plain words", "Clean-param: a /b", "<html>", "Visit-time: 1 2", "Crawl-delay:"]
PARTS = ["/", "/", "/", "a", "b", "ab", "*", "*", "$", "?", "?q=1", "=", "&", ";", ";p", "index.html", "index.htm", "%2F",
         "%2f", "%41", "%61", "%24", "%2A", "%", "%G1", "%e9", "\u00e9", "%C3%A9", "%c3%a9", "\u30c4", "%E3%83%84", "//",
         ":", "~", "%7E", "+", " ", "!", "http://h", "@", ",", "%3D", "%3F", "%25", "%23", ".", "x:", "[", "]"]
ENDS = ["\n"] * 24 + ["\r\n"] * 12 + ["\r", "\n\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\n \n"]


def pattern(rng):
    kind = rng.random()
    if kind < 0.06:
        return ""
    if kind < 0.12:
        return rng.choice(["/", "*", "$", "/$", "/*", "//a", "a", "?", ";", "/*$", "/a*b*$", "/index.html", "/a/index.htm",
                           "/a/index.html?x", "/robots.txt", "x://[::1]/a", "x://[bad]/a", "https://h/a", "/?$", "/a?b$", "/a;b$"])
    longest = 2 if rng.random() < 0.5 else 5
    return "/" * (rng.random() < 0.9) + "".join(rng.choice(PARTS) for _ in range(rng.randint(0, longest)))


def name(rng):
    return rng.choice(AGENTS) if rng.random() < 0.6 else rng.choice(NAMES)


def line(rng, patterns):
    kind = rng.random()
    if kind < 0.18:
        key, value = rng.choice(AGENT_KEYS), name(rng)
    elif kind < 0.88:
        key, value = rng.choice(RULE_KEYS), pattern(rng)
        patterns.append(value)
    else:
        return rng.choice(OTHER_LINES)
    colon = rng.choice([": "] * 14 + [":", " :", "\t:\t", " ", "\t", "  ", ":\u00a0"])
    tail = rng.choice([""] * 14 + [" ", "\t", " # c", "#c", "\u3000", "\x00z", "\x1f"])
    return rng.choice([""] * 14 + [" ", "\t", "\u00a0"]) + key + colon + value + tail


def robots_txt(rng, big):
    patterns, text = [], rng.choice([b""] * 16 + [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef", b"\xfe"])
    end = rng.choice(ENDS)
    start = "User-agent: %s" % name(rng) if rng.random() < 0.9 else ""
    lines = [start] + [line(rng, patterns) for _ in range(rng.randint(1, 9))]
    for number, one in enumerate(lines):
        raw = one.encode()
        if rng.random() < 0.02:
            raw = raw[:-1] + rng.choice([b"\xff", b"\xe3\x83", b"\xc3"])
        if big and rng.random() < 0.1:
            raw += b"x" * rng.choice([2083 * 8, 2083 * 8 - len(raw) - 1, 5000])
        last = number + 1 == len(lines)
        if not (last and rng.random() < 0.5):
            raw += (end if rng.random() < 0.8 else rng.choice(ENDS)).encode()
        text += raw
    return text, patterns


def url(rng, patterns):
    kind = rng.random()
    if kind < 0.08:
        return rng.choice(["http://h", "http://h?q=1", "http://h#f", "http://h/#f", "/a", "a", "//h/a", "http://h;p", "http://h/a;",
                           "http://h/a?", "http://[::1]/a", "http://[bad/a", "http://u:p@h:81/a", "http://h//a", "HTTP://H/a",
                           "http://h/robots.txt", "http://h/a/", "http://h/a/index.html", "http://\u2100/a"])
    path = pattern(rng)
    if patterns and rng.random() < 0.75:
        path = rng.choice(patterns)
        path = path.replace("*", rng.choice(["", "*", "a", "/x/", "b?c"])).replace("$", rng.choice(["", "", "", "$", "%24"]))
        path += rng.choice(["", "", "", "a", "/", "?q=1", "#f", ";p"])
    return "http://h.example" + ("" if path.startswith("/") else "/") + path


def protego_of(content):
    """Apertus: a file or a URL that raises forbids nothing."""
    try:
        parser = Protego.parse(content.decode("utf-8", "replace"))
    except Exception:
        return lambda agent, target: True

    def ask(agent, target):
        try:
            return parser.can_fetch(target, agent)
        except Exception:
            return True
    return ask


def google_of(content):
    matcher = googlebot.RobotsMatcher()
    return lambda agent, target: matcher.AllowedByRobots(content, [agent], target)


PEERS = {"google": google_of, "protego": protego_of}


def cases(seed, count, n_agents, n_urls, big):
    rng = random.Random(seed)
    for _ in range(count):
        content, patterns = robots_txt(rng, big)
        agents = rng.sample(AGENTS, n_agents)
        urls = [url(rng, patterns) for _ in range(n_urls)]
        verdicts = {}
        for mode, peer in PEERS.items():
            ask = peer(content)
            verdicts[mode] = [not ask(agent, target) for agent in agents for target in urls]
        yield content, agents, urls, verdicts


def golden(path):
    with open(path, "w", encoding="ascii") as out:
        for content, agents, urls, verdicts in cases(20261122, 140, 3, 8, False):
            record = {"robots": content.decode("latin-1"), "agents": agents, "urls": urls}
            for mode, bits in verdicts.items():
                record[mode] = "%x" % sum(1 << i for i, bit in enumerate(bits) if bit)
            out.write(json.dumps(record, separators=(",", ":")) + "\n")


# The verb takes URLs and absolute paths; the rest is compared in the unit test alone.
def is_question(url):
    return re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*://[^/?#]", url) is not None


def ours(tokshard, path, mode, agent, urls):
    urls = [url for url in urls if is_question(url)]
    if not urls:
        return []
    run = subprocess.run([tokshard, "robots", "--json", "--mode", mode, "--agent", agent, "--robots", path, "--"] + urls,
                         capture_output=True, check=False)
    if run.returncode not in (0, 1):
        sys.exit(run.stderr.decode())
    return [not json.loads(line)["allowed"] for line in run.stdout.splitlines()]


def compare(tokshard, count, seed):
    asked, differing, blocked = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "robots.txt")
        for content, agents, urls, verdicts in cases(seed, count, 3, 12, True):
            with open(path, "wb") as out:
                out.write(content)
            for mode, expected in verdicts.items():
                found = [bit for agent in agents for bit in ours(tokshard, path, mode, agent, urls)]
                asked += len(found)
                questions = [(agent, url) for agent in agents for url in urls]
                peer = [(question, bit) for question, bit in zip(questions, expected) if is_question(question[1])]
                blocked += sum(bit for _, bit in peer)
                for ask, ((agent, url), bit) in zip(found, peer, strict=True):
                    if ask != bit:
                        differing += 1
                        print(json.dumps({"mode": mode, "robots": repr(content[:2000]), "agent": agent,
                                          "url": url, "peer_disallows": bit}))
    print(json.dumps({"files": count, "questions": asked, "disallowed": blocked, "differences": differing}))


if __name__ == "__main__":
    if sys.argv[1] == "golden":
        golden(sys.argv[2])
    else:
        compare(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 300, int(sys.argv[4]) if len(sys.argv) > 4 else 1)
