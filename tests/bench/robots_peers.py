#!/usr/bin/env python3
"""What robots_bench.cpp measures, of peers: Protego 0.4.0 (PyPI: protego==0.4.0) and google/robotstxt
through its Python binding (PyPI: jwm.robotstxt, which parses the file anew for every question, as
the library does). URLs per second of processor time, each asked for the 15 robots of Apertus; median of 5 runs.
"""
import statistics
import time

from jwm.robotstxt import googlebot
from protego import Protego

AGENTS = ["AI2Bot", "Applebot-Extended", "Bytespider", "CCBot", "CCBot/2.0", "CCBot/1.0", "ClaudeBot",
          "cohere-training-data-crawler", "Diffbot", "FacebookBot", "Meta-ExternalAgent", "Google-Extended", "GPTBot",
          "PanguBot", "*"]


def robots_txt(rules, wildcards):
    text = "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\nAllow: /public/\n\nUser-agent: *\n"
    for i in range(rules):
        text += f"Disallow: /*/{i}*.php$\n" if wildcards else f"Disallow: /section{i}/private/\n"
    return text + "Sitemap: https://h.example/sitemap.xml\n"


def urls():
    ends = ["/private/page.php", "/article/a-long-title-of-a-page.html", "/article/a-long-title-of-a-page.html"]
    return [f"https://h.example/section{i}{ends[i % 3]}?id={i * 7919}" for i in range(256)]


def per_second(count, work):
    times = []
    for _ in range(5):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return count / statistics.median(times)


for rules, wildcards in ((30, False), (5000, False), (300, True)):
    text = robots_txt(rules, wildcards)
    asked = urls()[: 256 if rules <= 300 else 16]
    parser = Protego.parse(text)
    matcher = googlebot.RobotsMatcher()
    raw = text.encode()
    protego = per_second(len(asked), lambda: [[parser.can_fetch(u, a) for a in AGENTS] for u in asked])
    google = per_second(len(asked), lambda: [[matcher.AllowedByRobots(raw, [a], u) for a in AGENTS] for u in asked])
    parse = per_second(len(raw), lambda: Protego.parse(text))
    print(f"{rules} rules, wildcards {wildcards}: Protego {protego:.0f} URL/s (parsing {parse / 1e6:.2f} MB/s), "
          f"google/robotstxt {google:.0f} URL/s")
