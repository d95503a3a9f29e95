#!/usr/bin/env python3
"""Writes the golden traces of version 1 into v1/: python3 make.py.

A small run as a trainer would log it, with everything computed here independently of the C++ code:
ZClip decisions by the formulas of arXiv 2504.02507, the shapes of a spike and of a NaN, a resume and
a rollback. Doubles are printed by repr(), which is the shortest text that reads back to the same
bits. Files of a released version are never written again; a new version gets a new folder.
"""
import json
import math
import os
import random

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "v1")
TOKENS = 4096
SAMPLES = 16


def stamp(step, offset=0):
    micros = int(step * 250000 + offset)
    seconds, micros = divmod(micros, 1000000)
    hours, rest = divmod(seconds, 3600)
    return "2026-01-01T%02d:%02d:%02d.%06dZ" % (hours, rest // 60, rest % 60, micros)


def number(x):
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return x


class ZClip:
    """zclip:mode=reciprocal,z=2.5,alpha=0.97,warmup=25,cap=none,compat=safe"""

    def __init__(self):
        self.buffer, self.mean, self.variance = [], None, None

    def decide(self, g):
        if self.mean is None:
            self.buffer.append(g)
            if len(self.buffer) == 25:
                mean = 0.0
                for x in self.buffer:
                    mean += x
                self.mean = mean / 25
                squares = 0.0
                for x in self.buffer:
                    squares += (x - self.mean) * (x - self.mean)
                self.variance = squares / 25
            return 1.0, None, None
        s = max(math.sqrt(self.variance), 1e-6, 1e-3 * self.mean)
        z = (g - self.mean) / (s + 1e-6)
        threshold = self.mean + 2.5 * (s + 1e-6)
        u, factor = g, 1.0
        if z > 2.5:
            u = self.mean + 2.5 * s / (z / 2.5)
            if g > u:
                factor = u / (g + 1e-6)
        self.mean = 0.97 * self.mean + (1 - 0.97) * u
        d = u - self.mean
        self.variance = 0.97 * self.variance + (1 - 0.97) * (d * d)
        return factor, threshold, z

    def state(self):
        done = self.mean is not None
        return {
            "kind": "zclip",
            "initialized": done,
            "mean": self.mean if done else 0.0,
            "variance": self.variance if done else 0.0,
            "warmup_left": 0 if done else 25 - len(self.buffer),
            "buffer": [] if done else list(self.buffer),
        }


CLIP = "zclip:mode=reciprocal,z=2.5,alpha=0.97,warmup=25,cap=none,compat=safe,rewarm=50"


def record(kind, segment, step, time, fields):
    head = {"v": 1, "type": kind, "time": time, "segment": segment}
    if step is not None:
        head["step"] = step
    head.update(fields)
    return json.dumps(head, separators=(",", ":"))


def run(segment, time, **fields):
    base = {"run": "golden", "version": "0.1.0", "config_hash": "00000000000000000000000000000001",
            "model": "tiny", "parameters": 3000000, "optimizer": "adamw", "clip": CLIP,
            "precision": "fp32", "device": "cpu", "ranks": 1, "total_tokens": 400 * TOKENS,
            "batch_tokens": TOKENS, "seq_len": 256, "seed": 1, "data_seed": 2, "cost_per_hour": 1.1}
    base = {**{k: fields[k] for k in ("parent", "parent_step") if k in fields}, **base}
    base.update({k: v for k, v in fields.items() if k not in base})
    return record("run", segment, None, time, base)


def curve(step, rng):
    loss = 3.0 + 5.0 * math.exp(-step / 40.0) + rng.gauss(0, 0.02)
    norm = (0.6 + 1.5 * math.exp(-step / 15.0)) * math.exp(rng.gauss(0, 0.12))
    return loss, norm


def step_line(segment, step, loss, norm, clipper, skipped=False, reason=None, time_offset=0):
    fields = {"tokens": step * TOKENS, "samples": step * SAMPLES, "loss": number(loss),
              "lr": 0.001 * min(1.0, step / 20.0), "grad_norm": number(norm)}
    if not skipped:
        factor, threshold, z = clipper.decide(norm)
        fields["grad_norm_clipped"] = norm * factor
        if threshold is not None:
            fields["clip_threshold"] = threshold
            fields["clip_z"] = z
    fields["tokens_per_s"] = 16384.0
    fields["skipped"] = skipped
    if reason:
        fields["skip_reason"] = reason
    return record("step", segment, step, stamp(step, time_offset), fields)


def event(segment, step, name, reason, **details):
    return record("event", segment, step, stamp(step), {"event": name, "reason": reason, **details})


def write(name, lines, torn=""):
    with open(os.path.join(HERE, name), "w") as f:
        f.write("\n".join(lines) + "\n" + torn)


def steady(segment, first, last, rng, clipper, lines, change=None):
    for step in range(first, last + 1):
        loss, norm = curve(step, rng)
        if change:
            loss, norm = change(step, loss, norm)
        lines.append(step_line(segment, step, loss, norm, clipper))


def clean():
    rng, clipper = random.Random(1), ZClip()
    lines = [run(0, stamp(0))]
    steady(0, 1, 120, rng, clipper, lines)
    lines.append(record("eval", 0, 120, stamp(120), {"tokens": 120 * TOKENS, "set": "val",
                                                     "loss": 3.2, "n_tokens": 65536}))
    write("clean.jsonl", lines, torn='{"v":1,"type":"step","ti')


def incidents():
    """A spike of the loss at 91 with the norm at 90, a NaN at 130 that was skipped."""
    rng, clipper = random.Random(2), ZClip()
    lines = [run(0, stamp(0))]

    def spike(step, loss, norm):
        if step == 90:
            return loss, norm * 30
        if 91 <= step <= 97:
            return loss + 4.0 * 0.6 ** (step - 91), norm * 4
        return loss, norm

    steady(0, 1, 129, rng, clipper, lines, spike)
    lines.append(event(0, 130, "nan", "loss is not finite", rank=0, host="node1",
                       samples=[2071, 2066]))
    lines.append(step_line(0, 130, math.nan, math.nan, clipper, True, "nonfinite"))
    steady(0, 131, 180, rng, clipper, lines)
    write("incidents.jsonl", lines)


def branches():
    """Killed at 70 and resumed from 60, then a divergence that was rolled back from 129 to 100."""
    rng, clipper = random.Random(3), ZClip()
    states = {}
    lines = [run(0, stamp(0))]

    def walk(segment, first, last, change=None):
        for step in range(first, last + 1):
            steady(segment, step, step, rng, clipper, lines, change)
            states[step] = clipper.state()

    def back_to(step):
        state = states[step]
        clipper.mean, clipper.variance = state["mean"], state["variance"]
        return state

    walk(0, 1, 70)
    lines.append(run(1, stamp(71), parent=0, parent_step=60, clip_state=back_to(60)))
    lines.append(event(1, 61, "resume", "from step 60"))
    walk(1, 61, 129, lambda s, l, n: (l + 5 + 0.01 * (s - 120), n * 20) if s >= 120 else (l, n))
    lines.append(event(1, 130, "rollback", "loss far above its course for 10 steps", to=100))
    lines.append(run(2, stamp(131), parent=1, parent_step=100, clip_state=back_to(100)))
    lines.append(event(2, 101, "resume", "from step 100, 480 samples skipped"))
    walk(2, 101, 160)
    write("branches.jsonl", lines)


os.makedirs(HERE, exist_ok=True)
clean()
incidents()
branches()
