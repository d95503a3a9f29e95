#!/usr/bin/env python3
"""Compares `tokshard filter --quality` with datatrove's filters, document by document, and times both on one core.
Not part of the tests: needs datatrove with spaCy.

    compare_quality.py BIN_DIR DOCS.jsonl [--plan gopher|gopher-repetition|c4|fineweb|all]

`all` is the order in which FineWeb was made. Compared are the reasons and, of what stays, the text. datatrove's time is that
of its filters alone, documents parsed beforehand; tokshard's that of the whole command, start, reading and writing included.
Texts without any word, at which datatrove divides by zero, count as refused by both. Exit 0 when nothing differs.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time

from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

SINGLE = {
    "gopher-repetition": GopherRepetitionFilter,
    "gopher": GopherQualityFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}


def peers(plan):
    if plan != "all":
        return plan, [(plan, SINGLE[plan]())]
    chain = [(name, rule(filter_no_terminal_punct=False) if name == "c4" else rule()) for name, rule in SINGLE.items()]
    return "gopher-repetition,gopher,c4:filter_no_terminal_punct=off,fineweb", chain


def decide(chain, text):
    document = Document(text=text, id="0")
    for name, rule in chain:
        try:
            verdict = rule.filter(document)
        except ZeroDivisionError:
            return f"{name.replace('-', '_')}.no_words", ""
        if verdict is not True:
            return f"{name.replace('-', '_')}.{verdict[1].removeprefix('gopher_')}", ""
    return "kept", document.text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("documents")
    parser.add_argument("--plan", default="all")
    args = parser.parse_args()
    flag, chain = peers(args.plan)
    with open(args.documents) as lines:
        texts = [text for text in (json.loads(line)["text"] for line in lines) if text]
    decide(chain, "warm up.")
    start = time.perf_counter()
    wanted = [decide(chain, text) for text in texts]
    theirs = time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        source, kept, rejects = (os.path.join(folder, name) for name in ("in", "kept", "rejects"))
        with open(source, "w") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"text": text, "id": str(i)}) + "\n")
        command = [os.path.join(args.bin_dir, "tokshard"), "filter", "-q", "-j", "1", "--pii", "off", "--quality", flag,
                   "--rejects", rejects, "-o", kept, source]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        ours = time.perf_counter() - start
        found = [None] * len(texts)
        for path in (kept, rejects):
            with open(path) as lines:
                for record in map(json.loads, lines):
                    refused = path == rejects
                    found[int(record["id"])] = (record["ballast"]["reason"], "") if refused else ("kept", record["text"])

    different = 0
    for i, (theirs_said, we_said) in enumerate(zip(wanted, found)):
        both_without_words = theirs_said[0].endswith(".no_words") and we_said[0] != "kept"
        if theirs_said == we_said or both_without_words:
            continue
        different += 1
        if different <= 20:
            print(f"document {i}: datatrove {theirs_said[0]}, tokshard {we_said[0]}, {texts[i][:60]!r}")
    for reason, count in collections.Counter(said for said, _ in wanted).most_common():
        print(f"{count:>8} {reason}")
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB, {different} differ")
    print(f"datatrove {len(texts) / theirs:.0f} documents/s, tokshard {len(texts) / ours:.0f}, {theirs / ours:.0f} times")
    sys.exit(1 if different else 0)


main()
