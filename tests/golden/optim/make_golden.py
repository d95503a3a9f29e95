#!/usr/bin/env python3
"""Writes optimizers.json: updates of AdamW, AdEMAMix and StableAdamW on given gradients, in float64.

    python3 tests/golden/optim/make_golden.py      (needs torch and numpy; not part of the build or the tests)

AdamW is torch.optim.AdamW; the other two are written here from their papers' equations, and compared with the packages
torch-optimi and pytorch-optimizer where those are installed. Three parameters: "a" of 12 elements decays, "b" of 5 does
not and learns at half the rate, "c" of 7 learns at a quarter of the rate and decays by as much as if it did not, as a
hidden matrix under muP does. Initial values and gradients follow formulas that the test repeats, so only results are
stored. Step 4 has a gradient 40 times as large.
"""
import json
import math
import os

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 8
SIZES = {"a": 12, "b": 5, "c": 7}
LR_SCALE = {"a": 1.0, "b": 0.5, "c": 0.25}
DECAYS = {"a": True, "b": False, "c": True}
PHASE = {"a": 0, "b": 1, "c": 2}


def value(name, i):
    return math.cos(0.9 * i + 2.0 * PHASE[name])


def gradient(name, i, t):
    return math.sin(0.7 * i + 1.3 * t + PHASE[name]) * (40.0 if t == 4 else 1.0)


def learning_rate(t):
    return 1e-2 * min(1.0, t / 3)


def grads(name, t):
    return np.array([gradient(name, i, t) for i in range(SIZES[name])])


def start():
    return {n: np.array([value(n, i) for i in range(SIZES[n])]) for n in SIZES}


def run_torch(make, c, names=SIZES):
    """Steps of an optimizer of PyTorch's kind. Its decay is scaled with the rate of a group; ours is not (mup.MuAdamW)."""
    params = {n: torch.nn.Parameter(torch.tensor(p, dtype=torch.float64)) for n, p in start().items()}
    groups = [{"params": [params[n]], "weight_decay": c["decay"] / LR_SCALE[n] if DECAYS[n] else 0.0} for n in names]
    optimizer = make(groups)
    out = []
    for t in range(1, STEPS + 1):
        for n, group in zip(names, optimizer.param_groups):
            group["lr"] = learning_rate(t) * LR_SCALE[n]
            params[n].grad = torch.tensor(grads(n, t))
        optimizer.step()
        out.append({n: params[n].detach().numpy().copy() for n in names})
    return out


def adamw(c):
    make = lambda groups: torch.optim.AdamW(groups, lr=1.0, betas=(c["beta1"], c["beta2"]), eps=c["eps"])
    return run_torch(make, c), None


def beta3_of(c, t):
    if t >= c["beta3_warmup"]:
        return c["beta3"]
    half = lambda b: math.log(0.5) / math.log(b + 1e-8) - 1
    tau = (1 - t / c["beta3_warmup"]) * half(c["beta1"]) + t / c["beta3_warmup"] * half(c["beta3"])
    return 0.5 ** (1 / (tau + 1))


def ademamix(c):
    p = start()
    m1, m2, v = ({n: np.zeros(k) for n, k in SIZES.items()} for _ in range(3))
    out = []
    for t in range(1, STEPS + 1):
        alpha = c["alpha"] * min(1.0, t / c["alpha_warmup"]) if c["alpha_warmup"] else c["alpha"]
        b3 = beta3_of(c, t)
        for n in SIZES:
            g = grads(n, t)
            m1[n] = c["beta1"] * m1[n] + (1 - c["beta1"]) * g
            m2[n] = b3 * m2[n] + (1 - b3) * g
            v[n] = c["beta2"] * v[n] + (1 - c["beta2"]) * g * g
            u = (m1[n] / (1 - c["beta1"] ** t) + alpha * m2[n]) / (
                np.sqrt(v[n]) / math.sqrt(1 - c["beta2"] ** t) + c["eps"])
            lr = learning_rate(t)
            p[n] = p[n] - lr * (LR_SCALE[n] * u + (c["decay"] * p[n] if DECAYS[n] else 0))
        out.append({n: p[n].copy() for n in SIZES})
    return out, None


def stable_adamw(c):
    p = start()
    m, u = ({n: np.zeros(k) for n, k in SIZES.items()} for _ in range(2))
    out, ratios = [], []
    for t in range(1, STEPS + 1):
        b1, b2 = (b * (1 - b ** (t - 1)) / (1 - b ** t) for b in (c["beta1"], c["beta2"]))
        row = {}
        for n in SIZES:
            g = grads(n, t)
            m[n] = b1 * m[n] + (1 - b1) * g
            u[n] = b2 * u[n] + (1 - b2) * g * g
            row[n] = math.sqrt(np.mean(g * g / np.maximum(u[n], c["eps"] ** 2)))
            lr = learning_rate(t) / max(1.0, row[n])
            step = lr * LR_SCALE[n] * m[n] / (np.sqrt(u[n]) + c["eps"])
            p[n] = p[n] * (1 - lr * c["decay"]) - step if DECAYS[n] else p[n] - step
        out.append({n: p[n].copy() for n in SIZES})
        ratios.append(row)
    return out, ratios


def compare(name, ours, theirs, tolerance):
    worst = max(np.abs(row[n] - other[n]).max() for row, other in zip(ours, theirs) for n in other)
    print(f"{name}: largest difference of a parameter {worst:.2g}")
    assert worst <= tolerance, name


def compare_with_packages():
    try:
        import optimi
    except ImportError:
        print("torch-optimi is not installed: StableAdamW is not compared")
    else:
        for c in (case for kind, _, case in CASES if kind == "stable_adamw"):
            # Their update divides decay and rate by R as the paper does; their floor of v is the same.
            make = lambda groups: optimi.StableAdamW(groups, lr=1.0, betas=(c["beta1"], c["beta2"]), eps=c["eps"],
                                                     foreach=False, triton=False)
            compare("optimi.StableAdamW", stable_adamw(c)[0], run_torch(make, c), 1e-12)
    try:
        import pytorch_optimizer
    except ImportError:
        print("pytorch-optimizer is not installed: AdEMAMix is not compared")
        return
    for c in (case for kind, _, case in CASES if kind == "ademamix"):
        if c["alpha_warmup"] != c["beta3_warmup"]:
            continue  # theirs has one length for both
        make = lambda groups: pytorch_optimizer.AdEMAMix(
            groups, lr=1.0, betas=(c["beta1"], c["beta2"], c["beta3"]), alpha=c["alpha"], eps=c["eps"],
            weight_decouple=True, t_alpha_beta3=c["alpha_warmup"] or None, foreach=False)
        # With a warm-up theirs is the closed form of beta3, without the authors' 1e-8.
        compare("pytorch_optimizer.AdEMAMix", ademamix(c)[0], run_torch(make, c), 1e-7 if c["alpha_warmup"] else 1e-12)


CASES = [
    ("adamw", adamw, {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "decay": 0.1}),
    ("adamw", adamw, {"beta1": 0.8, "beta2": 0.999, "eps": 1e-5, "decay": 0.02}),
    ("ademamix", ademamix, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decay": 0.1, "beta3": 0.9999, "alpha": 8,
                            "alpha_warmup": 5, "beta3_warmup": 6}),
    ("ademamix", ademamix, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decay": 0.1, "beta3": 0.9999, "alpha": 5,
                            "alpha_warmup": 6, "beta3_warmup": 6}),
    ("ademamix", ademamix, {"beta1": 0.0, "beta2": 0.99, "eps": 1e-8, "decay": 0.1, "beta3": 0.9, "alpha": 2,
                            "alpha_warmup": 0, "beta3_warmup": 0}),
    ("stable_adamw", stable_adamw, {"beta1": 0.9, "beta2": 0.99, "eps": 1e-6, "decay": 0.1}),
]


def main():
    cases = []
    for kind, run, config in CASES:
        params, ratios = run(config)
        spec = kind + ":" + ",".join(f"{k}={v}" for k, v in config.items())
        case = {"spec": spec, **{n: [list(row[n]) for row in params] for n in SIZES}}
        if ratios:
            case.update({"ratio_" + n: [row[n] for row in ratios] for n in SIZES})
        cases.append(case)
    with open(os.path.join(HERE, "optimizers.json"), "w") as f:
        json.dump({"steps": STEPS, "cases": cases}, f, indent=0)
        f.write("\n")
    compare_with_packages()


if __name__ == "__main__":
    main()
