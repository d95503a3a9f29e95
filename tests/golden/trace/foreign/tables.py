#!/usr/bin/env python3
"""Lets pandas and Lightning write the tables that the readers are tested with: python3 tables.py.

tables.json holds the numbers that were given to them, in the order in which a reader has to give
them. Written under Python 3.11 by pandas 3.1.1 and lightning 2.6.6 (its CSVLogger, which puts each
call of log() into a row of its own). pandas writes an infinite number as null into JSON.
"""
import json
import math
import os
import random
import shutil
import tempfile

import pandas as pd
from lightning.pytorch.loggers import CSVLogger

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 24


def number(x):
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return x


def path(name):
    return os.path.join(HERE, name)


def main():
    random.seed(7)
    steps = []
    for step in range(1, STEPS + 1):
        steps.append({
            "step": step,
            # pandas writes JSON with at most 15 decimals.
            "loss": round(11.0 * math.exp(-step / 9) + random.random(), 12),
            "grad_norm": round(math.exp(random.gauss(0, 1)), 12),
            "lr": round(6e-4 * step / STEPS, 12),
        })
    steps[10]["grad_norm"] = math.inf
    evals = [{"step": step, "loss": round(steps[step - 1]["loss"] + 0.1, 12)} for step in (8, 16, 24)]
    with open(path("tables.json"), "w") as f:
        keep = [{key: number(value) for key, value in row.items()} for row in steps]
        json.dump({"run": "", "steps": keep,
                   "evals": [dict(row, set="") for row in evals]}, f, indent=1)
        f.write("\n")

    frame = pd.DataFrame([{
        "step": row["step"],
        "a \"note\", in\nquotes": "x,y" if row["step"] % 2 else "",
        "train/loss": row["loss"],
        "train/grad_norm": row["grad_norm"],
        "train/learning_rate": row["lr"],
    } for row in steps])
    held_out = {row["step"]: row["loss"] for row in evals}
    frame["val/loss"] = [held_out.get(step) for step in frame["step"]]
    frame.to_csv(path("pandas.csv"))
    frame.to_csv(path("pandas.tsv"), sep="\t", index=False, lineterminator="\r\n",
                 encoding="utf-8-sig")
    # As W&B's page writes a chart.
    chart = frame[["step", "train/loss", "train/grad_norm", "train/learning_rate", "val/loss"]]
    chart.columns = ["Step"] + ["run 7 - " + name for name in chart.columns[1:]]
    for name in list(chart.columns[1:]):
        for band in ("__MIN", "__MAX"):
            chart = chart.assign(**{name + band: chart[name]})
    chart.to_csv(path("chart.csv"), index=False, quoting=1)
    frame.drop(columns=["a \"note\", in\nquotes"]).rename(
        columns=lambda name: name.replace("/", ".")).to_json(
            path("tables.jsonl"), orient="records", lines=True, double_precision=15)

    folder = tempfile.mkdtemp()
    logger = CSVLogger(folder, name="run", flush_logs_every_n_steps=5)
    for row in steps:
        logger.log_metrics({"lr-AdamW": row["lr"]}, step=row["step"])
        logger.log_metrics({"train_loss": row["loss"], "grad_norm": row["grad_norm"],
                            "epoch": 0}, step=row["step"])
        if row["step"] in held_out:
            logger.log_metrics({"val_loss": held_out[row["step"]], "epoch": 0}, step=row["step"])
    logger.save()
    shutil.copy(os.path.join(logger.log_dir, "metrics.csv"), path("lightning.csv"))
    shutil.rmtree(folder)


main()
