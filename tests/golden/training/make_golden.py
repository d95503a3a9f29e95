#!/usr/bin/env python3
"""Writes training.json: what PyTorch makes of the runs of recipes.txt, in float64 from the same weights and tokens.

    python3 tests/golden/training/make_golden.py BIN SUPPORT      (the folders of pretrain and of training_tool; needs torch)

Every run trains a small model for ten steps on a shard whose windows all belong to every batch, so that the order of the
data does not matter. Its first checkpoint, which stands before the first step, gives weights and vectors of power
iterations; the rest is computed here with the model of ../model, the clippers of ../optim, torch.optim.AdamW, and
schedules, masks and the other optimizers from their definitions. tests/e2e/peers.bats runs pretrain again and compares; the
largest differences to the runs made here are printed.
"""
import importlib.util
import json
import math
import os
import shlex
import struct
import subprocess
import sys
import tempfile

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("optim", "data"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import make_clippers as clippers  # noqa: E402
import make_goldfish as goldfish  # noqa: E402
import make_golden as optimizers  # noqa: E402

MODEL = {"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": False}
T, WINDOWS, STEPS, LR = 32, 24, 10, 4e-3
COMMON = ["--seq-len", T, "--micro-batch", 4, "--batch-tokens", T * WINDOWS, "--steps", STEPS, "--lr", LR, "--guard", "off"]


# The model's script has the name of the optimizers'.
spec = importlib.util.spec_from_file_location("model_golden", os.path.join(HERE, "..", "model", "make_golden.py"))
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)


def read_shard(prefix):
    """Tokens, and the first token of every document."""
    index = open(prefix + ".idx", "rb").read()
    assert index[:9] == b"MMIDIDX\0\0"
    _, code, sequences, _ = struct.unpack_from("<QBQQ", index, 9)
    assert code == 8  # uint16
    lengths = struct.unpack_from(f"<{sequences}i", index, 34)
    tokens = torch.tensor(struct.unpack(f"<{sum(lengths)}H", open(prefix + ".bin", "rb").read()))
    return tokens, [sum(lengths[:k]) for k in range(sequences)]


def batch_of(tokens, starts):
    """All windows: inputs, labels, document starts in the window, and which labels count."""
    assert (len(tokens) - 1) // T == WINDOWS
    document = torch.zeros(len(tokens), dtype=torch.long)
    for begin in starts[1:]:
        document[begin:] += 1
    at = torch.arange(WINDOWS * T).reshape(WINDOWS, T)
    start = torch.tensor(starts)[document[at]]
    return tokens[at], tokens[at + 1], (start - at[:, :1]).clamp(min=0), document[at] == document[at + 1]


def load_tensors(path):
    data = open(path, "rb").read()
    size, = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + k for k in entry["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"]).double()
    return tensors


def options_of(words):
    """--name value pairs; a value kind:k=v,... becomes (kind, {k: v})."""
    out = {}
    for name, text in zip(words[::2], words[1::2]):
        kind, _, rest = text.partition(":") if "=" in text and ":" in text else (text, "", "")
        out[name[2:]] = (kind, dict(item.split("=") for item in rest.split(",")) if rest else {})
    return out


def steps_of(text, default):
    if text is None or text.endswith("%"):
        return STEPS * float((text or default)[:-1]) / 100
    return float(text.removesuffix("steps"))


def learning_rate(kind, o, n):
    """Of step n from 0: warm-up counts the step itself, what falls begins with its first step at full rate."""
    warmup, final = steps_of(o.get("warmup"), "1%"), float(o.get("final", 0.1 if kind == "cosine" else 0))
    warm = min(1, (n + 1) / warmup) if warmup else 1
    if kind == "wsd":
        length = steps_of(o.get("cooldown"), "20%")
        q = max(0, (n - (STEPS - length)) / length)
        half = (1 + math.cos(math.pi * q)) / 2
        g = {"1-sqrt": 1 - math.sqrt(q), "linear": 1 - q, "mirror-cosine": 2 * (1 - q) - half,
             "square": 1 - q * q}[o.get("shape", "1-sqrt")]
        return LR * warm * (final + (1 - final) * g)
    if kind == "constant" or n < warmup:
        return LR * warm
    q = (n - warmup) / (STEPS - warmup)
    return LR * (final + (1 - final) * (1 - q if kind == "linear" else (1 + math.cos(math.pi * q)) / 2))


def clipper_of(kind, text, o):
    number = lambda k, default: float(o.get(k, default))
    if kind == "none":
        return clippers.Nothing()
    if kind.startswith("fixed"):
        return clippers.Fixed(float(text.split(":")[1]))
    if kind == "autoclip":
        return clippers.AutoClip(number("p", 10), 10000)
    if kind == "zclip":
        return clippers.ZClip(mode=o.get("mode", "reciprocal"), warmup=int(o.get("warmup", 25)), log=o.get("form") == "log")
    assert kind == "zskip"
    return clippers.ZSkip(number("norm", 6), int(o["window"]), number("clip", 1))


class AdEMAMix:
    def __init__(self, o):
        self.c = {"beta1": 0.9, "beta2": 0.999, "eps": float(o["eps"]), "beta3": float(o["beta3"]),
                  "beta3_warmup": int(o["beta3_warmup"])}
        self.alpha, self.alpha_warmup, self.t, self.state = float(o["alpha"]), int(o["alpha_warmup"]), 0, {}

    def step(self, params, lr, scale, decay):
        self.t += 1
        c, t = self.c, self.t
        b3, alpha = optimizers.beta3_of(c, t), self.alpha * min(1, t / self.alpha_warmup)
        for n, p in params.items():
            m1, m2, v = self.state.setdefault(n, [torch.zeros_like(p) for _ in range(3)])
            m1.lerp_(p.grad, 1 - c["beta1"])
            m2.lerp_(p.grad, 1 - b3)
            v.lerp_(p.grad.square(), 1 - c["beta2"])
            root = v.sqrt() / math.sqrt(1 - c["beta2"] ** t) + c["eps"]
            u = (m1 / (1 - c["beta1"] ** t) + alpha * m2) / root
            p.data -= lr * (scale[n] * u + decay[n] * p.data)


class StableAdamW:
    def __init__(self, o):
        self.t, self.state = 0, {}

    def step(self, params, lr, scale, decay, b1=0.9, b2=0.99, eps=1e-6):
        self.t += 1
        b1, b2 = (b * (1 - b ** (self.t - 1)) / (1 - b ** self.t) for b in (b1, b2))
        for n, p in params.items():
            m, v = self.state.setdefault(n, [torch.zeros_like(p) for _ in range(2)])
            m.lerp_(p.grad, 1 - b1)
            v.lerp_(p.grad.square(), 1 - b2)
            rate = lr / max(1.0, (p.grad.square() / v.clamp(min=eps * eps)).mean().sqrt().item())
            p.data.mul_(1 - rate * decay[n]).sub_(rate * scale[n] * m / (v.sqrt() + eps))


class AdamW:
    def __init__(self, o):
        self.o, self.inner = o, None

    def step(self, params, lr, scale, decay):
        if self.inner is None:
            groups = [{"params": [p], "weight_decay": decay[n] / scale[n]} for n, p in params.items()]
            self.inner = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, float(self.o.get("beta2", 0.95))),
                                           eps=float(self.o.get("eps", 1e-8)))
        for n, group in zip(params, self.inner.param_groups):
            group["lr"] = lr * scale[n]
        self.inner.step()


def mask_of(spec, labels, counts):
    if spec is None:
        return counts
    o = dict(item.split("=") for item in spec[0].split(","))
    rows = [goldfish.static(y, int(o["k"]), int(o["start"])) if o["mode"] == "static" else
            goldfish.hashed(y, int(o["k"]), int(o["h"])) for y in labels]
    return counts & ~torch.stack(rows)


def is_hidden(name):
    return "_proj.weight" in name


def follow(config, tensors, words, batch):
    """Rows of step, loss, grad_norm, lr, z_loss, n_valid and param_norm of a run, as its trace has them, and the loss over all
    labels of the shard at its end."""
    o = options_of(words)
    text = dict(zip(words[::2], words[1::2]))
    tokens, labels, doc_start, counts = batch
    all_labels, counts = counts, mask_of(o.get("goldfish"), labels, counts)
    state = {n: v for n, v in tensors.items() if n.endswith((".sigma_u", ".sigma_v"))}
    params = {n: torch.nn.Parameter(v) for n, v in tensors.items() if n not in state}
    ratio = config["hidden_size"] / config["ballast"].get("mup_base_width", config["hidden_size"])
    kind, settings = o["optimizer"]
    scale = {n: 1 / ratio if is_hidden(n) else 1.0 for n in params}
    decay = {n: float(settings.get("decay", 0.1)) if p.dim() > 1 else 0.0 for n, p in params.items()}
    optimizer = {"adamw": AdamW, "ademamix": AdEMAMix, "stable_adamw": StableAdamW}[kind](settings)
    clipper, z = clipper_of(o["clip"][0], text["--clip"], o["clip"][1]), float(text.get("--z-loss", 0))
    fault = text.get("--inject", "grad@0:x=1")[5:].split(":x=")
    rows = []
    for t in range(1, STEPS + 1):
        for p in params.values():
            p.grad = None
        loss, square = model.forward(config, {**params, **state}, tokens, labels, doc_start, counts.double())
        (loss + z * square).backward()
        for p in params.values():
            p.grad *= float(fault[1]) if t == int(fault[0]) else 1.0
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in params.values()))
        clipper.clip(list(params.values()), norm, t)
        lr = learning_rate(*o["schedule"], t - 1)
        if not clipper.skip:
            optimizer.step(params, lr, scale, decay)
            state = model.iterated(params, state)
        length = math.sqrt(sum(p.detach().square().sum().item() for p in params.values()))
        row = {"step": t, "loss": loss.item(), "grad_norm": norm, "lr": lr, "n_valid": int(counts.sum()), "param_norm": length,
               "skipped": bool(clipper.skip)}
        rows.append(dict(row, z_loss=z * square.item()) if z else row)
    with torch.no_grad():
        return rows, model.forward(config, {**params, **state}, tokens, labels, doc_start, all_labels.double())[0].item()


def compare(name, rows, trace):
    ours = [r for r in map(json.loads, open(trace)) if r["type"] == "step"]
    assert len(ours) == len(rows)
    off = {k: max(abs(a[k] - b[k]) / abs(b[k]) for a, b in zip(ours, rows) if b[k]) for k in rows[0] if k != "skipped"}
    assert [r["skipped"] for r in ours] == [r["skipped"] for r in rows], name
    print(name, " ".join(f"{k} {v:.1e}" for k, v in off.items() if k != "step"))


def main():
    binaries, support = map(os.path.abspath, sys.argv[1:3])
    runs = []
    for line in open(os.path.join(HERE, "recipes.txt")):
        name, *words = shlex.split(line)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            subprocess.run([support + "/training_tool", "shard", "a", "3", "3"], check=True)
            json.dump(MODEL, open("config.json", "w"))
            subprocess.run([binaries + "/pretrain", "--model", "config.json", "--data", "a", "--run", "run", "-q",
                            *map(str, COMMON), *words], check=True, stdout=subprocess.DEVNULL)
            first = "run/ckpt/step-000000000/"
            config = json.load(open(first + "config.json"))
            config.setdefault("ballast", {})
            tensors = load_tensors(first + "model-00001-of-00001.safetensors")
            rows, final_loss = follow(config, tensors, words, batch_of(*read_shard("a")))
            compare(name, rows, "run/trace.jsonl")
            os.chdir(HERE)
        runs.append({"name": name, "arguments": words, "steps": rows, "final_loss": final_loss})
    with open(os.path.join(HERE, "training.json"), "w") as f:
        json.dump({"model": MODEL, "arguments": [str(a) for a in COMMON], "runs": runs}, f, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
