#!/usr/bin/env python3
"""Writes goldfish.json: labels that the Goldfish loss drops, computed with PyTorch.

    python3 tests/golden/data/make_goldfish.py      (needs torch; not part of the build or the tests)

The table is torch.rand of a CPU generator and the products are torch's wrapping int64 ones, as in the projects whose mask
mode=apertus repeats (Hans et al., arXiv 2406.10209). Labels follow a formula that the test repeats.
"""
import json
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = torch.rand(1_000_003, generator=torch.Generator().manual_seed(2971215073))


def labels(n):
    i = torch.arange(n)
    return (i * i * 7919 + i * 104729 + 12345) % 131071 + 1


def hashed(y, k, h):
    drop = torch.zeros(len(y), dtype=torch.bool)
    drop[h - 1:] = TABLE[y.unfold(0, h, 1).prod(-1) % len(TABLE)] < 1 / k
    return drop


def static(y, k, start):
    drop = torch.zeros(len(y), dtype=torch.bool)
    drop[start::k] = True
    return drop


def main():
    n = 3000
    y = labels(n)
    cases = [{"spec": f"k={k},h={h},mode=apertus", "dropped": hashed(y, k, h).nonzero().flatten().tolist()}
             for k, h in ((50, 50), (4, 13), (4, 3), (3, 1), (128, 4))]
    cases += [{"spec": f"k={k},mode=static,start={s}", "dropped": static(y, k, s).nonzero().flatten().tolist()}
              for k, s in ((50, 0), (7, 3))]
    zero = (y.unfold(0, 50, 1).prod(-1) == 0).float().mean().item()
    print(f"{zero:.1%} of the windows of 50 have a product of 0")
    with open(os.path.join(HERE, "goldfish.json"), "w") as f:
        json.dump({"labels": n, "cases": cases}, f)
        f.write("\n")


if __name__ == "__main__":
    main()
