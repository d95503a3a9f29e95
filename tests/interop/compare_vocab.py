#!/usr/bin/env python3
"""Learns a vocabulary from the same documents with tokshard and with the BPE trainer of Hugging Face tokenizers, and compares
tokens and merges in their order. Not part of the tests: needs tokenizers.

    compare_vocab.py BIN_DIR SIZE DOCS.jsonl ... [--pattern llama3] [-- VOCAB_FLAG ...]

Hugging Face is given the split pattern of our file, the same special tokens and the 256 bytes as its alphabet, and the texts
between the markers of redacted text, which tokshard does not learn from. What both say they joined must be equal, so documents
with pieces over 1,024 bytes, which tokshard leaves out, are not comparable and are refused. Exit 0 when nothing differs.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

MARKERS = re.compile("<email-pii>|<ip-pii>|<iban-pii>")


def texts_of(paths):
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield from MARKERS.split(json.loads(line)["text"])


def ours(args, path):
    command = [os.path.join(args.bin, "tokshard"), "vocab", "-q", "--json", "--pattern", args.pattern, "--size", str(args.size),
               *args.flags, *args.documents, "-o", path]
    record = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if record["overlong_pieces"]:
        sys.exit(f"{record['overlong_pieces']} pieces over 1,024 bytes: not comparable")
    print(f"{record['documents']} documents, {record['bytes']} bytes, {record['pieces']} pieces, "
          f"{record['dropped_pieces']} dropped")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def theirs(args, path, special):
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = tokenizers.Tokenizer.from_file(path).pre_tokenizer
    made.train_from_iterator(texts_of(args.documents), trainers.BpeTrainer(
        vocab_size=args.size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return json.loads(made.to_str())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("size", type=int)
    parser.add_argument("documents", nargs="+")
    parser.add_argument("--pattern", default="llama3")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:end])
    args.flags = words[end + 1:]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        mine = ours(args, path)
        special = [token["content"] for token in mine["added_tokens"]]
        peer = theirs(args, path, special)
    pair = lambda merge: tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
    left, right = ([pair(merge) for merge in file["model"]["merges"]] for file in (mine, peer))
    differ = sum(a != b for a, b in zip(left, right)) + abs(len(left) - len(right))
    first = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), None)
    tokens = mine["model"]["vocab"] == peer["model"]["vocab"]
    print(f"tokenizers {tokenizers.__version__}: {len(left)} and {len(right)} merges, {differ} differ; "
          f"tokens and ids {'equal' if tokens else 'differ'}")
    if first is not None:
        print(f"first at {first}: {left[first]} and {right[first]}")
    sys.exit(differ > 0 or not tokens)


if __name__ == "__main__":
    main()
