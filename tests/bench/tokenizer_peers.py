#!/usr/bin/env python3
"""Tokenisation in MB/s on one and two threads, side by side with Hugging Face tokenizers and tiktoken: the same vocabulary, the
same texts, the same ids, rounds taken in turn. Needs tokenizers, tiktoken and numpy.

    tokenizer_peers.py BIN_DIR tokenizer.json DOCS.jsonl [ROUNDS]

Text is in memory before the clock starts. Every peer keeps its caches from round to round; the first round of each is not
counted. One thread is timed by its CPU time, which other work on the machine lengthens less, two by the clock. tiktoken and Hugging Face tokenizers run their own threads over a list of texts. Prints the median, the slowest and the
fastest round, and how many times faster than each peer ours is by the medians.
"""
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))


def hashed(lists):
    return hashlib.sha256(b"".join(numpy.asarray(ids, dtype="<i4").tobytes() for ids in lists)).hexdigest()


def child(kind, path, documents, threads, rounds):
    """One peer in a process of its own, so that its number of threads is its own: JSON as tokenizer_bench prints it."""
    from compare_tokenizers import HuggingFace, Tiktoken
    with open(documents, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    with open(path, encoding="utf-8") as opened:
        file = json.load(opened)
    if kind == "hf":
        peer = HuggingFace(path, file)
        encode = lambda: peer.model.encode_batch_fast(texts, add_special_tokens=False)
        ids_of = lambda found: [e.ids for e in found]
    else:
        peer = Tiktoken(path, file)
        encode = lambda: peer.model.encode_ordinary_batch(texts, num_threads=threads)
        ids_of = lambda found: [[peer.ids_of_rank[r] for r in ranks] for ranks in found]
    seconds, cpu = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        found = encode()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "bytes": sum(len(t.encode()) for t in texts), "sha256": hashed(ids_of(found)),
                      "name": peer.name}))


def write_common(tokenizer, source, target):
    with open(tokenizer, encoding="utf-8") as opened:
        added = [token["content"] for token in json.load(opened)["added_tokens"]]
    left_out = 0
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        for line in lines:
            if any(token in json.loads(line)["text"] for token in added):
                left_out += 1
            else:
                out.write(line)
    return left_out


def main():
    if sys.argv[1] == "--peer":
        child(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
        return
    bench = os.path.join(sys.argv[1], "tokenizer_bench")
    tokenizer = sys.argv[2]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    scratch = tempfile.TemporaryDirectory()
    documents = os.path.join(scratch.name, os.path.basename(sys.argv[3]))
    left_out = write_common(tokenizer, sys.argv[3], documents)
    if left_out:
        print(f"{left_out} documents that spell an added token left out: peers differ in what they make of it")
    for threads in (1, 2):
        environment = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
        seconds, hashes, names, size = {}, {}, {"ours": "tokshard"}, 0
        for _ in range(rounds):
            for kind in ("ours", "hf", "tiktoken"):
                command = ([bench, tokenizer, documents, str(threads), "2"] if kind == "ours" else
                           [sys.executable, os.path.abspath(__file__), "--peer", kind, tokenizer, documents, str(threads), "2"])
                result = json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
                seconds.setdefault(kind, []).append(result["cpu_seconds" if threads == 1 else "seconds"][1])
                hashes[kind] = result["sha256"]
                names.setdefault(kind, result.get("name"))
                size = result["bytes"]
        print(f"{os.path.basename(documents)}: {size / 1e6:.1f} MB, {threads} thread{'s' if threads > 1 else ''}, "
              f"ids {'the same' if len(set(hashes.values())) == 1 else 'DIFFER'}")
        ours = statistics.median(seconds["ours"])
        for kind, times in seconds.items():
            median = statistics.median(times)
            print(f"  {names[kind]}: {size / 1e6 / median:.1f} MB/s ({size / 1e6 / max(times):.1f}-{size / 1e6 / min(times):.1f}), "
                  f"tokshard is {median / ours:.1f} times as fast", flush=True)


main()
