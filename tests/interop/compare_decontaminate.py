#!/usr/bin/env python3
"""Compares `tokshard decontaminate` with datatrove's n-gram filter, document by document. Not part of the tests: needs datatrove
with spaCy.

    compare_decontaminate.py BIN_DIR DOCS.jsonl [--items N] [--seed N]

Items are cut out of every tenth document: a query, and the answer behind it. Three kinds of comparison: answers and borders,
queries too, and items without query. Compared are the decision and the words of the first match. Exit 0 when nothing differs.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer


def make_items(texts, count, draw):
    for text in draw.sample(texts, min(count, len(texts))):
        words = text.split()
        if len(words) < 8:
            continue
        begin = draw.randrange(len(words) - 7)
        length = draw.randrange(6, 40)
        cut = draw.randrange(2, length)
        yield {"query": " ".join(words[begin:begin + cut]), "text": " ".join(words[begin + cut:begin + length]) or "none"}


def theirs(items, texts, queries, index_dir):
    config = NGramsDecontConfig(find_query_ngrams=queries)
    indexer = object.__new__(NGramsDecontIndexer)  # its constructor asks for a library of tasks
    judge = NGramsDecontFilter(index_dir, config)
    hash_bytes = judge.hash_func
    judge.hash_func = lambda words: hash_bytes(words.encode())  # newer releases of xxhash take no strings
    indexer.config, indexer.tokenizer, indexer.hash_func = config, judge.tokenizer, judge.hash_func
    judge._index_hashes = {}
    for item in items:
        for value in indexer.compute_hashes(item["text"], item.get("query")):
            judge._index_hashes[value] = "items"
    for text in texts:
        document = Document(text=text, id="0")
        kept = judge.filter(document) is True
        yield None if kept else document.metadata["contaminated_ngram"]


def ours(bin_dir, items, texts, queries, folder):
    paths = {name: os.path.join(folder, name) for name in ("items.jsonl", "in", "kept", "rejects")}
    for path, records in ((paths["items.jsonl"], items), (paths["in"], [{"text": t, "id": str(i)} for i, t in enumerate(texts)])):
        with open(path, "w") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
    command = [os.path.join(bin_dir, "tokshard"), "decontaminate", "-q", "-f", "--benchmarks", paths["items.jsonl"], "--rejects",
               paths["rejects"], "-o", paths["kept"], paths["in"]]
    subprocess.run(command + (["--queries"] if queries else []), check=True)
    said = [None] * len(texts)
    with open(paths["rejects"]) as lines:
        for record in map(json.loads, lines):
            said[int(record["id"])] = record["ballast"]["contamination"]["words"]
    return said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("documents")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with open(args.documents) as lines:
        texts = [text for text in (json.loads(line)["text"] for line in lines) if text.strip()]
    items = list(make_items(texts, args.items, draw))
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, queries, chosen in (("answers", False, items), ("queries", True, items),
                                      ("no query", False, [{"text": item["text"]} for item in items])):
            wanted, found = list(theirs(chosen, texts, queries, folder)), ours(args.bin_dir, chosen, texts, queries, folder)
            wrong = [i for i, pair in enumerate(zip(wanted, found)) if pair[0] != pair[1]]
            different += len(wrong)
            print(f"{name}: {len(texts)} documents, {sum(w is not None for w in wanted)} contaminated, {len(wrong)} differ")
            for i in wrong[:5]:
                print(f"   document {i}: datatrove {wanted[i]!r}, tokshard {found[i]!r}")
    sys.exit(1 if different else 0)


main()
