#!/usr/bin/env python3
"""Writes normality.json: samples of several sizes and distributions, and what SciPy says of their normality.

    python3 tests/golden/stats/normality.py      (needs scipy and numpy; not part of the build or the tests)

Samples are rounded to four decimals (those named "ticks" to two, as llm.c logs norms), so that the file is small and the
numbers are exactly those that were tested.
"""
import json
import os
import warnings

import numpy as np
from scipy import stats

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = (3, 4, 5, 6, 11, 12, 20, 135, 700)


def samples(rng, n):
    yield "normal", np.round(rng.normal(1.0, 0.2, n), 4)
    yield "lognormal", np.round(rng.lognormal(0.0, 0.4, n), 4)
    yield "student3", np.round(rng.standard_t(3, n), 4)
    yield "uniform", np.round(rng.uniform(-1, 1, n), 4)
    yield "ticks", np.round(rng.lognormal(-1.2, 0.1, n), 2)


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(20250601)
    cases = []
    for n in SIZES:
        for name, x in samples(rng, n):
            if np.ptp(x) == 0:
                continue
            w = stats.shapiro(x)
            case = {"name": name, "n": n, "values": x.tolist(), "shapiro": [w.statistic, w.pvalue],
                    "anderson": float(stats.anderson(x, "norm").statistic),
                    "skewness": float(stats.skew(x)), "kurtosis": float(stats.kurtosis(x, fisher=False))}
            jb = stats.jarque_bera(x)
            case["jarque_bera"] = [jb.statistic, jb.pvalue]
            if n >= 8:
                k2 = stats.normaltest(x)
                case["k2"] = [k2.statistic, k2.pvalue]
            cases.append(case)
    with open(os.path.join(HERE, "normality.json"), "w") as f:
        json.dump({"cases": cases}, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
