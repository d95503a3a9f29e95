#!/usr/bin/env python3
"""The stability laboratory: trains small models over the grids of the papers and writes tables and plots.

    lab.py run   --bin DIR --docs DOCS.jsonl --out DIR [--scale NAME] [--jobs N] [TABLE ...]
    lab.py tables --out DIR [--scale NAME]
    lab.py list

`run` is resumable: each cell trains in OUT/SCALE/runs/CELL and leaves a result.json; a cell that has one is not run again, one
that was interrupted goes on from its last checkpoint. A cell whose options this pretrain refuses is left out and named.
`tables` writes OUT/SCALE/tables.md and a plot per grid from what is there. Needs Python's standard library; plots need gnuplot.

A run has diverged when its loss at the end (mean of the last 5 % of its steps) is not finite, not 0.1 nats below the first
step's, or 0.5 nats above the lowest mean of as many steps before, when more than 1 % of its steps had a non-finite loss or norm,
or when `gradstat spikes` classes one of its incidents as type 3. The guard is off in all runs: the methods are to be seen, not
the recovery. Weights start at a deviation of 0.02 sqrt(1024 / width), as 0.02 itself leaves a narrow model on a plateau.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

import canaries
import report
import tables

HERE = os.path.dirname(os.path.abspath(__file__))

# A scale is a shape and a length; "nano" is what two cores do in an evening beside other work.
SCALES = {
    "smoke": dict(hidden=32, layers=2, heads=2, ffn=64, vocab=512, seq=64, batch=512, micro=8, steps=20, seeds=[1]),
    "nano": dict(hidden=96, layers=6, heads=4, ffn=256, vocab=1024, seq=128, batch=2048, micro=16, steps=300, seeds=[1]),
    "small": dict(hidden=256, layers=8, heads=8, ffn=768, vocab=4096, seq=256, batch=8192, micro=8, steps=2000,
                  seeds=[1, 2, 3]),
}


def call(argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


class Lab:
    def __init__(self, options):
        self.bin = os.path.abspath(options.bin) if options.bin else ""
        self.scale_name = options.scale
        self.scale = SCALES[options.scale]
        self.out = os.path.abspath(os.path.join(options.out, options.scale))
        self.docs = options.docs

    def tool(self, name, *arguments):
        done = call([os.path.join(self.bin, name), *arguments])
        if done.returncode != 0:
            sys.exit(f"lab: {name}: {done.stderr.strip()}")
        return done.stdout

    def prepare(self):
        """Tokenizer and shards, once."""
        data = os.path.join(self.out, "data")
        if os.path.exists(os.path.join(data, "train.manifest.json")):
            return
        os.makedirs(data, exist_ok=True)
        tokenizer, shard = os.path.join(data, "tokenizer.json"), os.path.join(data, "train")
        self.tool("tokshard", "vocab", "-q", "-f", "--size", str(self.scale["vocab"]), self.docs, "-o", tokenizer)
        planted = canaries.plant(self.docs, data)
        self.tool("tokshard", "encode", "-q", "-f", "--tokenizer", tokenizer, planted, "-o", os.path.join(data, "planted"))
        self.tool("tokshard", "encode", "-q", "-f", "--holdout", "5%", "--tokenizer", tokenizer, self.docs, "-o", shard)

    def model(self, cell):
        s = dict(self.scale, **cell.shape)
        config = {"model_type": "llama", "vocab_size": s["vocab"], "hidden_size": s["hidden"], "intermediate_size": s["ffn"],
                  "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"],
                  "num_key_value_heads": s["heads"], "max_position_embeddings": s["seq"], "tie_word_embeddings": False,
                  "initializer_range": round(0.02 * (1024 / s["hidden"]) ** 0.5, 4)}
        config.update(cell.model)
        return config

    def folder(self, cell):
        return os.path.join(self.out, "runs", cell.name)

    def result(self, cell):
        path = os.path.join(self.folder(cell), "result.json")
        if not os.path.exists(path):
            return None
        with open(path) as f:
            return json.load(f)

    def flags(self, cell):
        s = dict(self.scale, **cell.shape)
        data = os.path.join(self.out, "data")
        steps = cell.steps or s["steps"]
        flags = {"tokenizer": os.path.join(data, "tokenizer.json"), "val": os.path.join(data, "train-holdout"),
                 "run": os.path.join(self.folder(cell), "run"), "steps": str(steps), "batch-tokens": str(s["batch"]),
                 "seq-len": str(s["seq"]), "micro-batch": str(s["micro"]), "seed": str(cell.seed), "guard": "off",
                 "ckpt-every": "5m", "keep": "last=1", "val-tokens": "131072",
                 "schedule": "cosine:warmup=5%,final=0.1"}
        flags.update(cell.flags)
        words = [word for key, value in flags.items() for word in ("--" + key, value)]
        # Half of what a run with planted texts sees is planted.
        sources = ["train=1", "planted=1"] if cell.data == "canaries" else ["train"]
        return words + [word for source in sources for word in ("--data", os.path.join(data, source))]

    def run_cell(self, cell):
        """"" when there is a result; otherwise why there is none."""
        if self.result(cell) is not None:
            return ""
        folder = self.folder(cell)
        os.makedirs(folder, exist_ok=True)
        model = os.path.join(folder, "config.json")
        with open(model, "w") as f:
            json.dump(self.model(cell), f, indent=1)
        done = call([os.path.join(self.bin, "pretrain"), "train", "-j", "1", "--json", "--model", model, *self.flags(cell)])
        if done.returncode == 2:
            return done.stderr.strip().splitlines()[0]
        if done.returncode != 0:
            return f"exit {done.returncode}: " + (done.stderr.strip().splitlines() or [""])[-1]
        result = self.judge(cell)
        temporary = os.path.join(folder, "result.json.tmp")
        with open(temporary, "w") as f:
            json.dump(result, f)
        os.replace(temporary, os.path.join(folder, "result.json"))
        return ""

    def judge(self, cell):
        run = os.path.join(self.folder(cell), "run")
        losses, norms, skipped, clipped, tokens, held_out, layers = [], [], 0, 0, [], {}, []
        with open(os.path.join(run, "trace.jsonl")) as lines:
            for line in lines:
                record = json.loads(line)
                if record["type"] == "step":
                    loss, norm = float(record["loss"]), float(record["grad_norm"])
                    losses.append(loss)
                    norms.append(norm)
                    tokens.append(record["tokens"])
                    skipped += not (finite(loss) and finite(norm))
                    clipped += record.get("grad_norm_clipped", norm) < norm
                elif record["type"] == "eval" and record["set"].endswith(":swa") == ("swa" in cell.flags):
                    held_out = record
                elif record["type"] == "layers":
                    layers.append(record)
        spikes = [json.loads(line) for line in
                  self.tool("gradstat", "spikes", "--json", run).splitlines()]
        spikes = [s for s in spikes if s.get("type") == "incident"]
        recall = []
        if cell.data == "canaries":
            half = str(min(32, self.scale["seq"] // 2))
            recall = [json.loads(line) for line in
                      self.tool("pretrain", "eval", "-j", "1", "--json", run, "--canaries",
                                os.path.join(self.out, "data", "canaries.jsonl"), "--prompt-tokens", half,
                                "--continue-tokens", half).splitlines()]
        tail = max(1, len(losses) // 20)
        means = [sum(losses[i:i + tail]) / tail for i in range(len(losses) - tail + 1)]
        final, lowest = means[-1], min(filter(finite, means), default=losses[0])
        diverged = (not finite(final) or final > losses[0] - 0.1 or final > lowest + 0.5 or skipped > 0.01 * len(losses) or
                    any(s["class"] == 3 for s in spikes))
        return {"cell": cell.name, "axes": cell.axes, "seed": cell.seed, "steps": len(losses), "first_loss": losses[0],
                "final_loss": final if finite(final) else None, "diverged": bool(diverged), "nonfinite_steps": skipped,
                "held_out_loss": held_out.get("loss"), "perplexity": held_out.get("perplexity"),
                "perplexity_low": held_out.get("perplexity_low"), "perplexity_high": held_out.get("perplexity_high"),
                "spikes": len(spikes), "clip_rate": clipped / len(losses), "norm_max": max(filter(finite, norms), default=None),
                "curve": [[t, round(l, 4) if finite(l) else None] for t, l in zip(tokens, losses)][::max(1, len(losses) // 100)],
                "layers": layers[-1] if layers else None, "recall": recall}


def finite(x):
    return x is not None and x == x and abs(x) != float("inf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "tables", "list"])
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--bin")
    parser.add_argument("--docs")
    parser.add_argument("--out", default="lab")
    parser.add_argument("--scale", choices=sorted(SCALES), default="nano")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, of one thread each")
    options = parser.parse_intermixed_args()
    unknown = set(options.tables) - set(tables.TABLES)
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}; there are {', '.join(tables.TABLES)}")
    names = options.tables or list(tables.TABLES)
    lab = Lab(options)
    grids = {name: tables.TABLES[name](lab.scale) for name in names}
    if options.verb == "list":
        for name, grid in grids.items():
            print(f"{name:16} {len(grid.cells):3} runs  {grid.title}")
        return 0
    if options.verb == "run":
        if not options.bin or not options.docs:
            parser.error("run needs --bin and --docs")
        lab.prepare()
        cells = {cell.name: cell for grid in grids.values() for cell in grid.cells}
        refused = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for cell, why in zip(cells.values(), pool.map(lab.run_cell, cells.values())):
                refused += bool(why)
                print(f"{cell.name}: {why or 'done'}", flush=True)
        print(f"{len(cells) - refused} of {len(cells)} runs have a result")
    report.write(lab, grids)
    return 0


if __name__ == "__main__":
    sys.exit(main())
