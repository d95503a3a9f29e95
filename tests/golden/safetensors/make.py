#!/usr/bin/env python3
"""Writes the safetensors goldens from the published layout alone (no safetensors library, so that a
mistake of one reader cannot hide in both): v1/ must be read for ever, v1-errors/ must be refused with
the message beside each file. Usage: make.py DIRECTORY"""
import json
import pathlib
import struct
import sys

out = pathlib.Path(sys.argv[1])


def build(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def tensor(name, dtype=b"U8", shape=b"[1]", offsets=b"[0,1]"):
    return b'"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}' % (name, dtype, shape, offsets)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


good = {
    "empty": build(b"{}"),
    "padded": build(b"{}      "),
    "unaligned": build({"b": entry("U8", [1], 0, 1), "f": entry("F32", [1], 1, 5)}, b"\x07" + struct.pack("<f", 1.5)),
    "scalar_and_zero": build({"z": entry("F64", [3, 0], 4, 4), "s": entry("F32", [], 0, 4)}, struct.pack("<f", -2.0)),
    "metadata": build({"__metadata__": {"format": "pt", "note": "é \" \\"}, "w": entry("BF16", [2], 0, 4)}, b"\x80\x3f\x00\xc0"),
    "narrow": build({"a": entry("F4", [2], 0, 1), "b": entry("F6_E2M3", [4], 1, 4), "c": entry("F8_E4M3", [1], 4, 5)}, bytes(5)),
}
for name, content in good.items():
    write(out / "v1" / f"{name}.safetensors", content)

bad = {
    "01-header-over-limit": (build(b"{}", length=100_000_001), "safetensors header is too long"),
    "01-header-over-file": (build(b"{}", length=64), "truncated in its header"),
    "02-overlong-utf8": (build(b"{" + tensor(b"\xc0\xaf") + b"}", b"x"), "header is not UTF-8"),
    "03-leading-space": (build(b" {}"), "does not begin with '{'"),
    "04-junk": (build(b"{}PK\x03\x04"), "junk after the safetensors header"),
    "05-escaped-duplicate": (build(b"{" + tensor(b"a") + b"," + tensor(b"\\u0061", offsets=b"[1,2]") + b"}", b"xx"), "duplicate tensor name 'a'"),
    "06-overlap": (build(b"{" + tensor(b"a") + b"," + tensor(b"b") + b"}", b"x"), "overlap"),
    "07-hole": (build(b"{" + tensor(b"a", offsets=b"[1,2]") + b"}", b"xx"), "hole before the data"),
    "07-trailing": (build(b"{" + tensor(b"a") + b"}", b"xyz"), "bytes after the last tensor"),
    "08-exponent": (build(b"{" + tensor(b"a", shape=b"[1e0]") + b"}", b"x"), "bad number"),
    "09-overflow": (build(b"{" + tensor(b"a", shape=b"[4503599627370496,4503599627370496]", offsets=b"[0,0]") + b"}"), "overflows"),
    "10-size": (build(b"{" + tensor(b"a", dtype=b"F32") + b"}", b"x"), "disagree with its shape"),
    "11-dtype": (build(b"{" + tensor(b"a", dtype=b"F7") + b"}", b"x"), "unknown dtype"),
    "12-metadata": (build(b'{"__metadata__":{"n":1}}'), "is not a string"),
    "13-nesting": (build(b'{"a":' + b"[" * 200), "unexpected an array"),
    "13-escape-in-name": (build(b"{" + tensor(b"\\u001b[2J") + b"}", b"x"), "control characters"),
    "14-truncated": (build(b"{" + tensor(b"a", shape=b"[9]", offsets=b"[0,9]") + b"}", b"xxxx"), "file is truncated"),
}
for name, (content, message) in bad.items():
    write(out / "v1-errors" / f"{name}.safetensors", content)
    write(out / "v1-errors" / f"{name}.message", message.encode() + b"\n")
