#!/usr/bin/env python3
"""Compares a tokenizer.json as tokshard reads it with Hugging Face tokenizers, in both directions, document by document.
Not part of the tests: needs tokenizers and numpy.

    compare_tokenizers.py BIN_DIR tokenizer.json [DOCS.jsonl ...] [--random MB]

--random adds documents of random code points, all that Python's unicodedata knows as assigned (surrogates aside), drawn
evenly, so that every class of the split pattern meets every other. Ids are read from the shard by a numpy reader of the
published layout. Text given back must be the text that went in, for both. Exit 0 when nothing differs.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import numpy
from tokenizers import Tokenizer

from megatron_layout import read_shard


def random_documents(megabytes, seed=1):
    points = [chr(c) for c in range(0x110000)
              if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    rng = random.Random(seed)
    left = megabytes * 1000000
    while left > 0:
        text = "".join(rng.choices(points, k=rng.randrange(1, 4000)))
        left -= len(text.encode())
        yield text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("tokenizer")
    parser.add_argument("documents", nargs="*")
    parser.add_argument("--random", type=float, default=0)
    options = parser.parse_args()

    texts = []
    for path in options.documents:
        with open(path, encoding="utf-8", newline="\n") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    if options.random:
        print(f"random: code points of Unicode {unicodedata.unidata_version}")
        texts += random_documents(options.random)
    texts = [text for text in texts if text]

    tokshard = os.path.join(options.bin_dir, "tokshard")
    theirs = Tokenizer.from_file(options.tokenizer)
    with tempfile.TemporaryDirectory() as scratch:
        source, prefix = os.path.join(scratch, "docs.jsonl"), os.path.join(scratch, "shard")
        with open(source, "w", encoding="utf-8", newline="\n") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"id": str(i), "text": text}) + "\n")
        subprocess.run([tokshard, "encode", "-q", "--order", "input", "--bos", "none", "--eos", "none", "--special", "match",
                        "--tokenizer", options.tokenizer, source, "-o", prefix], check=True)
        ours = read_shard(prefix)
        decoded = subprocess.run([tokshard, "decode", "--tokenizer", options.tokenizer, prefix],
                                 check=True, stdout=subprocess.PIPE).stdout.decode("utf-8").split("\n")[:-1]
    assert len(ours) == len(decoded) == len(texts), (len(ours), len(decoded), len(texts))

    ids = back = tokens = 0
    step = 256
    for begin in range(0, len(texts), step):
        batch = texts[begin:begin + step]
        for i, encoding in enumerate(theirs.encode_batch(batch, add_special_tokens=False), begin):
            tokens += len(encoding.ids)
            if not numpy.array_equal(ours[i], encoding.ids):
                ids += 1
                print(f"document {i}: other ids: {texts[i][:60]!r}")
            their_text = theirs.decode(ours[i].tolist(), skip_special_tokens=False)
            if not json.loads(decoded[i])["text"] == their_text == texts[i]:
                back += 1
                print(f"document {i}: other text: {texts[i][:60]!r}")
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB, {tokens} tokens: {ids} with other ids, {back} with other text")
    return 1 if ids or back else 0


if __name__ == "__main__":
    sys.exit(main())
