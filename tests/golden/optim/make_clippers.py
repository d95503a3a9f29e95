#!/usr/bin/env python3
"""Writes clippers.json: what each clipper does to given gradients, and the AdamW updates that follow, in float64.

    python3 tests/golden/optim/make_clippers.py      (needs torch and numpy; not part of the build or the tests)

The fixed clip and AutoClip scale gradients with torch.nn.utils.clip_grad_norm_, AutoClip's limit is numpy.percentile of
its history as its authors have it, AdamW is torch.optim.AdamW; ZClip (Kumar et al., arXiv 2504.02507: order of steps of
the authors' project) and its forms on logarithms, and the z-score skip, are written here from their definitions. Tensors
and starting values are those of make_golden.py; gradients and losses follow formulas that the test repeats.
"""
import json
import math
import os

import numpy as np
import torch

from make_golden import HERE, SIZES, PHASE, start

STEPS = 60
SPIKES = {20: 30.0, 33: 6.0, 41: 3.0, 42: 4.0, 43: 5.0, 55: 60.0}
KEPT = (15, 30, 45, 60)  # steps whose parameters are stored
ADAMW = {"lr": 1e-2, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}


def gradient(name, i, t):
    size = math.exp(0.2 * math.sin(2.3 * t) + 0.15 * math.cos(5.1 * t)) * SPIKES.get(t, 1.0)
    return math.sin(0.7 * i + 1.3 * t + PHASE[name]) * size


def loss(t):
    return 3.0 - 0.01 * t + 0.05 * math.sin(1.7 * t) + (2.0 if t == 50 else 0.0)


class Nothing:
    z = skip = None

    def clip(self, params, norm, t):
        pass


class Fixed(Nothing):
    def __init__(self, limit):
        self.limit = limit

    def clip(self, params, norm, t):
        torch.nn.utils.clip_grad_norm_(params, self.limit)


class AutoClip(Nothing):
    def __init__(self, p, window):
        self.p, self.window, self.history = p, window, []

    def clip(self, params, norm, t):
        self.history = (self.history + [norm])[-self.window:]
        torch.nn.utils.clip_grad_norm_(params, np.percentile(self.history, self.p))


class ZClip(Nothing):
    def __init__(self, mode="reciprocal", z=2.5, alpha=0.97, warmup=25, cap=None, log=False, eps=1e-6):
        self.mode, self.limit, self.alpha, self.warmup, self.cap, self.log, self.eps = mode, z, alpha, warmup, cap, log, eps
        self.first, self.mean, self.var = [], None, None

    def known(self):
        return self.mean is not None

    def level(self):
        return self.mean, math.sqrt(self.var)

    def collect(self, x):
        self.first.append(x)
        if len(self.first) == self.warmup:
            self.mean, self.var = np.mean(self.first), np.var(self.first)

    def learn(self, x):
        self.mean = self.alpha * self.mean + (1 - self.alpha) * x
        self.var = self.alpha * self.var + (1 - self.alpha) * (x - self.mean) ** 2

    def clip(self, params, norm, t):
        x, target, self.z = math.log(norm) if self.log else norm, None, None
        if not self.known():
            self.collect(x)
        else:
            mean, std = self.level()
            self.z = (x - mean) / (std + self.eps)
            if self.z > self.limit:
                target = {"mean": mean, "max": mean + self.limit * std,
                          "reciprocal": mean + self.limit ** 2 / self.z * std}[self.mode]
            self.learn(x if target is None else target)
        aim = norm if target is None else math.exp(target) if self.log else target
        aim = aim if self.cap is None else min(aim, self.cap)
        if norm > aim:
            for p in params:
                p.grad.mul_(aim / (norm + 1e-6))


class ZClipMedian(ZClip):
    """Median and 1.4826 MAD of the last `window` logarithms in place of the moving mean and deviation."""

    def __init__(self, window, **options):
        super().__init__(log=True, **options)
        self.window = window

    def known(self):
        return len(self.first) >= self.warmup

    def level(self):
        median = np.median(self.first)
        return median, 1.4826 * np.median(np.abs(np.array(self.first) - median))

    def collect(self, x):
        self.first = (self.first + [x])[-self.window:]

    learn = collect


class ZSkip(Nothing):
    """Drops a step whose loss or norm lies more than `limit` deviations above the accepted ones before it."""

    def __init__(self, limit, window, cap=None):
        self.limit, self.window, self.cap, self.losses, self.norms = limit, window, cap, [], []

    def score(self, values, x):
        values = values[-self.window:]
        return (x - np.mean(values)) / np.std(values) if len(values) == self.window else math.nan

    def clip(self, params, norm, t):
        z, self.z = self.score(self.losses, loss(t)), self.score(self.norms, norm)
        self.skip = bool(z > self.limit or self.z > self.limit)
        if self.skip:
            return
        self.losses.append(loss(t))
        self.norms.append(norm)
        if self.cap is not None:
            torch.nn.utils.clip_grad_norm_(params, self.cap)


def run(clipper):
    params = [torch.nn.Parameter(torch.tensor(p, dtype=torch.float64)) for p in start().values()]
    groups = [{"params": [p], "weight_decay": 0.1 if n != "b" else 0.0} for n, p in zip(SIZES, params)]
    optimizer = torch.optim.AdamW(groups, **ADAMW)
    case = {"factor": [], "z": [], "skip": [], "params": {}}
    for t in range(1, STEPS + 1):
        for n, p in zip(SIZES, params):
            p.grad = torch.tensor([gradient(n, i, t) for i in range(SIZES[n])], dtype=torch.float64)
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in params))
        clipper.clip(params, norm, t)
        after = math.sqrt(sum(p.grad.square().sum().item() for p in params))
        if not clipper.skip:
            optimizer.step()
        case["factor"].append(after / norm)
        case["z"].append(None if clipper.z is None or math.isnan(clipper.z) else clipper.z)
        if clipper.skip:
            case["skip"].append(t)
        if t in KEPT:
            case["params"][str(t)] = torch.cat([p.detach() for p in params]).tolist()
    return case


CASES = [
    ("none", Nothing()),
    ("fixed:3", Fixed(3.0)),
    ("fixed:0.1", Fixed(0.1)),
    ("autoclip:p=10", AutoClip(10, 10000)),
    ("autoclip:p=35,window=20", AutoClip(35, 20)),
    ("zclip", ZClip()),
    ("zclip:mode=mean,warmup=10,z=2", ZClip(mode="mean", warmup=10, z=2.0)),
    ("zclip:mode=max,warmup=10,alpha=0.9", ZClip(mode="max", warmup=10, alpha=0.9)),
    ("zclip:cap=3,warmup=12,compat=reference", ZClip(cap=3.0, warmup=12)),
    ("zclip:form=log,warmup=10,alpha=0.9", ZClip(log=True, warmup=10, alpha=0.9)),
    ("zclip:form=log,warmup=10,mode=max", ZClip(log=True, warmup=10, mode="max")),
    ("zclip:form=median,window=24,warmup=12", ZClipMedian(24, warmup=12)),
    ("zclip:form=median,window=16,warmup=16,mode=mean,z=4", ZClipMedian(16, warmup=16, mode="mean", z=4.0)),
    ("zskip:loss=6,norm=6,window=16,clip=none", ZSkip(6.0, 16)),
    ("zskip:loss=5,norm=3,window=12,clip=2", ZSkip(5.0, 12, cap=2.0)),
]

if __name__ == "__main__":
    cases = [{"spec": spec, **run(clipper)} for spec, clipper in CASES]
    for case in cases:
        print(f"{case['spec']}: {sum(f < 1 for f in case['factor'])} of {STEPS} clipped, {len(case['skip'])} dropped")
    with open(os.path.join(HERE, "clippers.json"), "w") as f:
        json.dump({"steps": STEPS, "cases": cases}, f, indent=0)
        f.write("\n")
