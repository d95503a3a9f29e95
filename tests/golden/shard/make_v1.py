#!/usr/bin/env python3
"""Writes the golden shard v1/tiny.* from ballast-shard(5) alone, without any code of Ballast.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install xxhash
    /tmp/venv/bin/python make_v1.py v1

Files of a released version are never written again: a later version gets a script and folder of its
own, and every version stays readable.
"""

import hashlib
import json
import os
import struct
import sys

import xxhash

DOCUMENTS = [
    ("doc-a", "https://b.example/1", "de", "eins", [0, 300, 7, 1]),
    ("doc-b", "", "", "", [0, 1]),
    ("doc-c", "https://a.example/2", "en", "two", [0, 511, 1]),
    ("doc-d", "https://b.example/3", "en", "three", [0, 5, 5, 5, 1]),
]
VOCAB = 512


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def zstd_raw(data):
    """A zstd frame with one block that is not compressed."""
    assert len(data) < 1 << 17
    return struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data)) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def index(lengths):
    count = len(lengths)
    offsets = [2 * sum(lengths[:i]) for i in range(count)]
    out = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, count, count + 1)
    out += struct.pack(f"<{count}i", *lengths) + struct.pack(f"<{count}q", *offsets)
    return out + struct.pack(f"<{count + 1}q", *range(count + 1))


def sidecar():
    lines, hosts = [], {}
    for number, (name, url, language, text, tokens) in enumerate(DOCUMENTS):
        line = {"id": name}
        host = url.split("/")[2] if url else ""
        if url:
            line |= {"url": url, "host": host}
        if language:
            line["language"] = language
        line["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        line |= {"filters": ["robots"] if url else [], "tokens": len(tokens)}
        lines.append(json.dumps(line, separators=(",", ":")) + "\n")
        hosts.setdefault(host, []).append(number)
    halves = ["".join(lines[:3]).encode(), "".join(lines[3:]).encode()]
    out, table = b"", b""
    for half, count in zip(halves, (3, 1)):
        table += struct.pack("<qII", len(out), count, len(half))
        out += zstd_raw(half)
    raw = b""
    for host in sorted(hosts):
        steps = [b - a for a, b in zip([0] + hosts[host], hosts[host])]
        raw += varint(len(host)) + host.encode() + varint(len(steps)) + b"".join(map(varint, steps))
    packed = zstd_raw(raw)
    content = table + packed + struct.pack("<4Q", 2, len(lines), len(packed), len(raw))
    content += struct.pack("<Q", xxhash.xxh3_64_intdigest(content)) + b"BLSTDOCS"
    return out + struct.pack("<II", 0x184D2A5B, len(content)) + content


def counts(key):
    found = {}
    for name, url, language, text, tokens in DOCUMENTS:
        entry = found.setdefault(language if key == "language" and language else "unknown",
                                 {"documents": 0, "tokens": 0})
        entry["documents"] += 1
        entry["tokens"] += len(tokens)
    return found


def main(folder):
    ids = [token for document in DOCUMENTS for token in document[4]]
    files = {
        "tiny.bin": struct.pack(f"<{len(ids)}H", *ids),
        "tiny.idx": index([len(document[4]) for document in DOCUMENTS]),
        "tiny.docs.jsonl.zst": sidecar(),
    }
    outputs = [{"file": name, "bytes": len(data), "xxh3_128": xxhash.xxh3_128_hexdigest(data)}
               for name, data in files.items()]
    manifest = {
        "format": "ballast-shard", "v": 1, "tool": "golden", "part": "all",
        "documents": len(DOCUMENTS), "tokens": len(ids), "dtype": "uint16", "vocab_size": VOCAB,
        "bos": 0, "eos": 1, "tokenizer_sha256": "0" * 64, "seed": 0, "holdout": 0, "skipped": 0,
        "empty": 0, "replaced": 0, "outputs": outputs, "inputs": [],
        "languages": counts("language"), "licenses": counts("license"), "sources": counts("source"),
        "filters": {"robots": 3}, "token_counts": [ids.count(i) for i in range(VOCAB)], "run": {},
    }
    files["tiny.manifest.json"] = json.dumps(manifest).encode() + b"\n"
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


main(sys.argv[1])
