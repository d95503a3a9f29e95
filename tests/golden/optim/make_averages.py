#!/usr/bin/env python3
"""Writes averages.json: running averages of given weights by torch.optim.swa_utils.AveragedModel, in float64.

    python3 tests/golden/optim/make_averages.py      (needs torch; not part of the build or the tests)

swa is the uniform mean of the weights after every 5th update, begun anew after windows of 20 updates (Haegele et al., arXiv
2405.18392, section 4, have 500); ema keeps 0.95 of itself at every 10th update. The weights after an update follow a
formula that the test repeats.
"""
import json
import os

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, SIZE, WINDOW, EVERY, EMA_EVERY = 57, 6, 20, 5, 10


class Weights(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(SIZE, dtype=torch.float64))

    def at(self, t):
        with torch.no_grad():
            self.w.copy_(torch.cos(0.3 * torch.arange(SIZE, dtype=torch.float64) + 0.11 * t) + 0.02 * t)
        return self


def main():
    model, rows = Weights(), []
    swa, ema = AveragedModel(model), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.95))
    for t in range(1, STEPS + 1):
        model.at(t)
        if t % EVERY == 0:
            if t % WINDOW == EVERY:
                swa = AveragedModel(model)
            swa.update_parameters(model)
        if t % EMA_EVERY == 0:
            ema.update_parameters(model)
        rows.append({"swa": swa.module.w.tolist() if t >= EVERY else None,
                     "ema": ema.module.w.tolist() if t >= EMA_EVERY else None})
    with open(os.path.join(HERE, "averages.json"), "w") as f:
        json.dump({"swa": f"window={WINDOW},every={EVERY}", "ema": f"decay=0.95,every={EMA_EVERY}", "steps": rows}, f, indent=0)
        f.write("\n")


main()
