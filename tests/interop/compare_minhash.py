#!/usr/bin/env python3
"""Compares `tokshard dedup --method minhash` with datatrove's MinHash stages, cluster by cluster, and times both on one core.
Not part of the tests: needs datatrove with spaCy, orjson and an xxhash that takes str (3.5).

    compare_minhash.py BIN_DIR DOCS.jsonl [--runs N]

Both read the same JSON Lines and do all four stages: signatures, buckets, clusters, removal. Documents are in the same clusters or
the difference is printed. Of a cluster datatrove keeps the one that its union ends up at, tokshard the first, so what is compared
is who is together with whom. Times are CPU seconds (user and system), medians of runs taken in turns; ours include the start of
two processes, datatrove's begin when its modules are loaded. Exit 0 when nothing differs.
"""
import argparse
import collections
import json
import os
import pathlib
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def cpu_seconds():
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def run_peer(docs, work):
    config = MinhashConfig()
    folder, name = os.path.split(os.path.abspath(docs))
    read = lambda: JsonlReader(folder, glob_pattern=name)(None)
    begin = cpu_seconds()
    MinhashDedupSignature(f"{work}/signatures", config=config).run(read())
    signed = cpu_seconds()
    for band in range(config.num_buckets):
        MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config).run(None, band, config.num_buckets)
    MinhashDedupCluster(f"{work}/buckets", f"{work}/clusters", config=config, save_cluster_id=True).run()
    with JsonlWriter(f"{work}/kept", compression=None) as writer:
        for document in MinhashDedupFilter(f"{work}/clusters").run(read()):
            writer.write(document)
    end = cpu_seconds()
    found = collections.defaultdict(list)
    data = pathlib.Path(work, "clusters", "000000.clusters").read_bytes()
    for document, cluster in struct.iter_unpack("<II", data):
        found[cluster].append(document)
    return end - begin, signed - begin, sorted(sorted(members) for members in found.values())


def run_ours(binary, docs, work):
    arguments = [binary, "dedup", "-q", "-j", "1", "--method", "minhash", "--work", work, docs]
    begin = cpu_seconds()
    subprocess.run([*arguments, "--stage", "signatures"], check=True)
    signed = cpu_seconds()
    subprocess.run([*arguments, "-o", f"{work}/kept.jsonl", "--rejects", f"{work}/out.jsonl"], check=True)
    end = cpu_seconds()
    found = collections.defaultdict(list)
    data = pathlib.Path(work, "clusters.bin").read_bytes()[64:-64]
    block = 8 + 16384 * 12
    for at in range(0, len(data), block):
        for document, first, _ in struct.iter_unpack("<III", data[at + 8 : at + block]):
            found[first].append(document)
    return end - begin, signed - begin, sorted(sorted(members) for members in found.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("docs")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    # datatrove's reader passes over documents without text, which tokshard numbers too.
    with open(options.docs, encoding="utf-8") as lines:
        lines = [line for line in lines if json.loads(line)["text"]]
    sizes = [len(json.loads(line)["text"].encode()) for line in lines]
    docs = os.path.join(tempfile.mkdtemp(), "docs.jsonl")
    pathlib.Path(docs).write_text("".join(lines), encoding="utf-8")
    ours, theirs = [], []
    for _ in range(options.runs):
        for runs, run in ((ours, lambda d: run_ours(f"{options.bin}/tokshard", docs, d)),
                          (theirs, lambda d: run_peer(docs, d))):
            folder = tempfile.mkdtemp()
            runs.append(run(folder))
            shutil.rmtree(folder)
    shutil.rmtree(os.path.dirname(docs))
    same = all(run[2] == ours[0][2] for run in ours + theirs)
    print(f"{len(sizes)} documents of {sum(sizes) / len(sizes):.0f} bytes, {len(ours[0][2])} clusters here, "
          f"{len(theirs[0][2])} there: {'the same' if same else 'DIFFERENT'}")
    for cluster in [c for c in theirs[0][2] if c not in ours[0][2]][:5]:
        print("only there:", cluster[:20])
    for cluster in [c for c in ours[0][2] if c not in theirs[0][2]][:5]:
        print("only here:", cluster[:20])
    for stage, what in ((1, "signatures"), (0, "all stages")):
        here = statistics.median(run[stage] for run in ours)
        there = statistics.median(run[stage] for run in theirs)
        print(f"{what}: {len(sizes) / here:.0f} documents/s here, {len(sizes) / there:.0f} there, {there / here:.1f} times; "
              f"spread {[round(run[stage], 2) for run in ours]} s, {[round(run[stage], 2) for run in theirs]} s")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
