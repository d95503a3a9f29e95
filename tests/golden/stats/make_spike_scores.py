#!/usr/bin/env python3
"""Writes spike_scores.json: z-scores of 300 values against windows of 128, in float64.

    python3 tests/golden/stats/make_spike_scores.py      (needs numpy; not part of the build or the tests)

Values are 2 + 0.05 N(0, 1) of numpy's RandomState(0) with 3 at 200 and 2.9 at 201. `population` and `sample` are against
the 128 values before (numpy.std with ddof 0 and 1), `inclusive` against the 128 values that end with the value itself,
from the 129th value on, as llm.c has it.
"""
import json
import os

import numpy as np

WINDOW = 128
x = 2 + 0.05 * np.random.RandomState(0).randn(300)
x[200], x[201] = 3, 2.9
golden = {"values": x.tolist(), "population": [], "sample": [], "inclusive": []}
for i in range(WINDOW, len(x)):
    past, own = x[i - WINDOW:i], x[i - WINDOW + 1:i + 1]
    golden["population"].append((x[i] - past.mean()) / past.std())
    golden["sample"].append((x[i] - past.mean()) / past.std(ddof=1))
    golden["inclusive"].append((x[i] - own.mean()) / own.std())
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "spike_scores.json"), "w") as f:
    json.dump(golden, f)
    f.write("\n")
