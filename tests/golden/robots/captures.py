#!/usr/bin/env python3
"""The way of Apertus through generated captures of robots.txt, step by step in Python with the peers, against
`tokshard filter`: which documents go, and which robots keep each of them out.

  captures.py TOKSHARD [HOSTS [SEED]]         needs the peers of agree.py

Hosts have none, one or two dated captures of any status; their files are those that sites serve (blocks of AI robots,
shops, forums, error pages in HTML), and for one in ten a random one of agree.py. One line a mode: documents, dropped
documents, documents whose verdict or robots differ.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
from urllib.parse import urlsplit

import agree

AGENTS = ["AI2Bot", "Applebot-Extended", "Bytespider", "CCBot", "CCBot/2.0", "CCBot/1.0", "ClaudeBot",
          "cohere-training-data-crawler", "Diffbot", "FacebookBot", "Meta-ExternalAgent", "Google-Extended", "GPTBot",
          "PanguBot", "*"]
SEEN = AGENTS + ["Googlebot", "bingbot", "SemrushBot", "AhrefsBot", "anthropic-ai", "PerplexityBot", "Amazonbot", "bot", "AI"]
PATHS = ["/", "/admin/", "/wp-admin/", "/cart", "/search", "/*?sort=", "/*.pdf$", "/private", "/user/*/edit", "/tag/", "/?s=",
         "/blog/2019/", "/caf\u00e9/", "/caf%C3%A9", "/api/", "/*/print$", "/forum/viewtopic.php", "/%7Efred/", "/a,b;c"]
ENDS = ["page.html", "report.pdf", "?sort=asc", "viewtopic.php?t=1&p=2", "caf\u00e9/1", "~fred/x", "x/print", "", "edit", "2019/y", "a,b;c"]


def group(rng, names):
    lines = [f"User-agent: {name}" for name in names]
    for _ in range(rng.randint(0, 6)):
        lines.append(f"{'Allow' if rng.random() < 0.25 else 'Disallow'}: {rng.choice(PATHS + [''])}")
    if rng.random() < 0.1:
        lines.append("Crawl-delay: 10")
    return lines


def robots_txt(rng):
    kind = rng.random()
    if kind < 0.1:
        return agree.robots_txt(rng, False)[0]
    if kind < 0.15:
        return b"<!DOCTYPE html><html><head><title>Not found</title></head><body>User-agent: *</body></html>"
    lines = []
    if rng.random() < 0.5:
        ai = rng.sample(SEEN, rng.randint(1, 8))
        if rng.random() < 0.5:
            lines += [f"User-agent: {name}" for name in ai] + ["Disallow: /", ""]
        else:
            for name in ai:
                lines += [f"User-agent: {name}", "Disallow: /", ""]
    for _ in range(rng.randint(0, 3)):
        lines += group(rng, rng.sample(SEEN, rng.randint(1, 2))) + [""]
    if rng.random() < 0.8:
        lines += group(rng, ["*"]) + [""]
    if rng.random() < 0.5:
        lines.append("Sitemap: https://h.example/sitemap.xml")
    text = rng.choice(["\n", "\n", "\r\n"]).join(lines)
    return (rng.choice(["", "", "", "", "\ufeff"]) + text).encode("utf-8" if rng.random() < 0.95 else "latin-1", "replace")


def make(rng, hosts, captures_path, documents_path):
    captures, documents = [], []
    with open(captures_path, "w", encoding="utf-8") as out:
        for number in range(hosts):
            host = f"h{number}.example" + rng.choice([""] * 8 + [":8080", ":80"])
            for date in rng.choice([[], ["2025-01-03"], ["2025-01-03"], ["2024-02-01", "2025-01-03T00:00:00Z"]]):
                status = rng.choice([200] * 12 + [404, 403, 503, 429, 0])
                # The line is JSON, so the file is what UTF-8 makes of it.
                content = robots_txt(rng).decode("utf-8", "replace") if status == 200 else None
                captures.append((host, date, status, content))
                out.write(json.dumps({"host": host, "date": date, "status": status, "robots_txt": content}) + "\n")
            for _ in range(8):
                name = rng.choice([host] * 6 + [host.upper(), host.split(":")[0]])
                path = rng.choice(PATHS).replace("*", "x").replace("$", "") + rng.choice(ENDS)
                documents.append(f"{rng.choice(['http', 'https'])}://{name}{path}")
    with open(documents_path, "w", encoding="utf-8") as out:
        for number, url in enumerate(documents):
            out.write(json.dumps({"text": "text", "id": str(number), "url": url}) + "\n")
    return captures, documents


def canonical(url):
    """The key that mode `google` looks up second."""
    parts = urlsplit(url)
    netloc = parts.netloc.lower()
    own = {"http": ":80", "https": ":443"}[parts.scheme]
    return netloc[: -len(own)] if netloc.endswith(own) else netloc


def expected(mode, captures, documents):
    latest = {}
    for host, date, status, content in captures:
        if host not in latest or date >= latest[host][0]:
            latest[host] = (date, status, content)
    folded = {}
    for host, date, status, content in captures:
        key = canonical("https://" + host)
        if key not in folded or date >= folded[key][0]:
            folded[key] = (date, status, content)
    asks = {}
    for url in documents:
        found = latest.get(urlsplit(url).netloc)
        if found is None and mode == "google":
            found = folded.get(canonical(url))
        if found is None:
            yield []
            continue
        _, status, content = found
        if mode == "google" and (status in (0, 429) or status // 100 == 5):
            yield ["unreachable"]
            continue
        if content is None:
            yield []
            continue
        if content not in asks:
            asks[content] = agree.PEERS[mode](content.encode())
        yield [agent for agent in AGENTS if not asks[content](agent, url)]


def main(tokshard, hosts, seed):
    for mode in agree.PEERS:
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: os.path.join(folder, name) for name in ("captures.jsonl", "in.jsonl", "kept.jsonl", "rejects.jsonl")}
            captures, documents = make(random.Random(seed), hosts, paths["captures.jsonl"], paths["in.jsonl"])
            subprocess.run([tokshard, "filter", "-q", "--mode", mode, "--robots", paths["captures.jsonl"], "--pii", "off", "--rejects",
                            paths["rejects.jsonl"], "-o", paths["kept.jsonl"], paths["in.jsonl"]], check=True)
            found = {}
            for name in ("kept.jsonl", "rejects.jsonl"):
                with open(paths[name], encoding="utf-8") as lines:
                    for line in lines:
                        record = json.loads(line)
                        ballast = record["ballast"]
                        found[int(record["id"])] = [] if name == "kept.jsonl" else ballast.get("agents", [ballast["reason"]])
            dropped = differing = 0
            for number, want in enumerate(expected(mode, captures, documents)):
                dropped += bool(want)
                if found.get(number) != want:
                    differing += 1
                    print(json.dumps({"mode": mode, "url": documents[number], "peer": want, "tokshard": found.get(number)}))
            print(json.dumps({"mode": mode, "hosts": hosts, "captures": len(captures), "documents": len(documents), "dropped": dropped,
                              "differences": differing}))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    main(sys.argv[1], *(numbers + [1000, 1][len(numbers):]))
