#!/usr/bin/env python3
"""Compares `tokshard filter --pii-mode apertus` with Apertus's described behaviour and with datatrove's PIIFormatter.
Not part of the tests: needs datatrove.

    compare_pii.py BIN_DIR [DOCS.jsonl] [--generate N] [--seed N]

Apertus: all matches of a kind are collected, then every literal occurrence of each distinct one is replaced, e-mails, then
IPv4 addresses (datatrove's expressions), then IBANs of four groups of four digits. The texts must be the same.

datatrove replaces matches where they stand, knows no IBAN, and by default takes addresses alone that Python calls global. It is
compared with `--pii-addresses public --pii redact,iban=off` and its own markers set to ours. Every text that differs is explained
by one or more of these, tried in this order, or the script exits 1:
    literal    a found string is also replaced where it is a part of something longer
    special    Python before 3.12.4 calls 192.0.0.0/24 (protocol assignments) but for a few addresses global, and every Python
               224.0.0.0/4 (multicast); to tokshard they are not public
"""
import argparse
import collections
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import tempfile

from datatrove.pipeline.formatters import PIIFormatter

MARKERS = {"email": "<email-pii>", "ip": "<ip-pii>", "iban": "<iban-pii>"}
THEIRS = PIIFormatter(email_replacement=MARKERS["email"], ip_replacement=MARKERS["ip"])
EMAIL, IP = THEIRS.emails_replacer.regex, THEIRS.ip_replacer.regex
IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: [0-9]{4}){4} [A-Z0-9]{1,2}")


def replace_everywhere(text, pattern, marker, accept=lambda hit: True):
    for hit in dict.fromkeys(match.group(0) for match in pattern.finditer(text)):
        if accept(hit):
            text = text.replace(hit, marker)
    return text


def apertus(text):
    for pattern, kind in ((EMAIL, "email"), (IP, "ip"), (IBAN, "iban")):
        text = replace_everywhere(text, pattern, MARKERS[kind])
    return text


def address(hit):
    try:
        return ipaddress.ip_address(hit)
    except ValueError:
        return None


def is_global(hit):
    ip = address(hit)
    return ip is not None and ip.is_global


def literal(text):
    text = replace_everywhere(text, EMAIL, MARKERS["email"])
    return replace_everywhere(text, IP, MARKERS["ip"], is_global)


def is_special(hit):
    return address(hit).is_multicast or address(hit) in ipaddress.ip_network("192.0.0.0/24")


def literal_special(text):
    text = replace_everywhere(text, EMAIL, MARKERS["email"])
    return replace_everywhere(text, IP, MARKERS["ip"], lambda hit: is_global(hit) and not is_special(hit))


def generate(count, seed):
    draw = random.Random(seed)

    def octet():
        return str(draw.choice([draw.randrange(256), draw.randrange(400), 0, 10, 127, 192, 168, 224, 255]))

    def word():
        return "".join(draw.choice("abcdeXYZ019.-_+'é漢 ") for _ in range(draw.randrange(1, 9)))

    def piece():
        kind = draw.randrange(6)
        if kind == 0:
            return word() + "@" + word() + "." + draw.choice(["de", "org", "5", "c-", "co.uk"])
        if kind == 1:
            return ".".join(octet() for _ in range(draw.choice([3, 4, 4, 4, 5])))
        if kind == 2:
            tail = "".join(draw.choice("A0 79") for _ in range(3))
            return draw.choice(["DE", "CH", "xGB"]) + f"{draw.randrange(100):02} " + " ".join(
                f"{draw.randrange(10000):04}" for _ in range(draw.choice([3, 4, 4, 5]))) + " " + tail
        if kind == 3:
            return "x@[" + ".".join(octet() for _ in range(4)) + "]"
        return word()

    for _ in range(count):
        pieces = [piece() for _ in range(draw.randrange(1, 60))]
        pieces += [draw.choice(pieces) + draw.choice(["", "1", "a"]) for _ in range(draw.randrange(10))]
        yield draw.choice([" ", "", "\n", ", "]).join(pieces) + "."


def ours(bin_dir, texts, *flags):
    with tempfile.TemporaryDirectory() as folder:
        source, kept = os.path.join(folder, "in"), os.path.join(folder, "kept")
        with open(source, "w") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"text": text, "id": str(i)}) + "\n")
        subprocess.run([os.path.join(bin_dir, "tokshard"), "filter", "-q", *flags, "-o", kept, source], check=True)
        with open(kept) as lines:
            return [json.loads(line)["text"] for line in lines]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("documents", nargs="*")
    parser.add_argument("--generate", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    texts = list(generate(args.generate, args.seed))
    for path in args.documents:
        with open(path) as lines:
            texts += [text for text in (json.loads(line)["text"] for line in lines) if text]

    wrong = 0
    for text, want, got in zip(texts, map(apertus, texts), ours(args.bin_dir, texts)):
        if want != got:
            wrong += 1
            print(f"apertus: {text[:200]!r}\n   want {want[:200]!r}\n    got {got[:200]!r}")
    touched = sum(apertus(text) != text for text in texts)
    print(f"{len(texts)} documents, {touched} with personal data: {wrong} differ from Apertus's described behaviour")

    reasons, changed = collections.Counter(), 0
    found = ours(args.bin_dir, texts, "--pii-addresses", "public", "--pii", "redact,iban=off")
    for text, got in zip(texts, found):
        want = THEIRS.format(text)
        changed += want != text
        if want == got:
            reasons["same"] += 1
        elif literal(text) == got:
            reasons["literal"] += 1
        elif literal_special(text) == got:
            reasons["special" if literal(text) == want else "literal and special"] += 1
        else:
            reasons["unexplained"] += 1
            print(f"datatrove: {text[:200]!r}\n   want {want[:200]!r}\n    got {got[:200]!r}")
    print(f"datatrove changes {changed} of them; tokshard beside it: {dict(reasons)}")
    sys.exit(1 if wrong or reasons["unexplained"] else 0)


main()
