"""The ZClip replay of `gradstat clip --clip zclip` as it is done in Python: reads a trace and counts what would be clipped.

peers.py pandas|json|orjson TRACE

pandas: read_json in chunks of 50,000 lines, the recurrence in a loop over NumPy values. json and orjson: line by line, the
recurrence on plain floats, which is faster than on NumPy's.
"""
import math
import sys

WARM_UP, ALPHA, Z, EPS = 25, 0.97, 2.5, 1e-6


class ZClip:
    """Reciprocal form: mean and variance of the norms, warmed up, then exponential averages of what was let through."""

    def __init__(self):
        self.warm, self.mean, self.var, self.steps, self.clips = [], 0.0, 0.0, 0, 0

    def take(self, norm):
        self.steps += 1
        if self.warm is not None:
            self.warm.append(norm)
            if len(self.warm) == WARM_UP:
                self.mean = sum(self.warm) / WARM_UP
                self.var = sum((g - self.mean) ** 2 for g in self.warm) / WARM_UP
                self.warm = None
            return
        std = math.sqrt(self.var)
        z = (norm - self.mean) / (std + EPS)
        if z > Z:
            self.clips += 1
            norm = self.mean + Z * std / (z / Z)
        self.mean = ALPHA * self.mean + (1 - ALPHA) * norm
        self.var = ALPHA * self.var + (1 - ALPHA) * (norm - self.mean) ** 2


def by_pandas(path, clip):
    import pandas

    for chunk in pandas.read_json(path, lines=True, chunksize=50_000):
        steps = chunk[chunk["type"] == "step"]
        for norm in steps["grad_norm"].to_numpy():
            clip.take(norm)


def by_lines(path, clip, loads):
    with open(path, "rb") as lines:
        for line in lines:
            record = loads(line)
            if record["type"] == "step":
                clip.take(record["grad_norm"])


def main():
    parser, path = sys.argv[1:]
    clip = ZClip()
    if parser == "pandas":
        by_pandas(path, clip)
    elif parser == "json":
        import json

        by_lines(path, clip, json.loads)
    else:
        import orjson

        by_lines(path, clip, orjson.loads)
    print(f"{clip.steps} steps, {clip.clips} clipped")


main()
