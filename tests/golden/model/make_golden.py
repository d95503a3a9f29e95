#!/usr/bin/env python3
"""Writes model_*.json: loss and parameter gradients of small LLaMA models, in float64 from PyTorch autograd.

    python3 tests/golden/model/make_golden.py      (needs torch; not part of the build or the tests)

Parameters follow a formula that the test repeats, so only shapes, tokens and results are stored. Gradients are kept as
the L2 norm of each tensor and its inner products with three fixed vectors, plus its first elements: a wrong gradient
cannot keep all of them. The model here is written from the equations, not taken from a library.
"""
import json
import math
import os
import struct

import torch

torch.set_default_dtype(torch.float64)
HERE = os.path.dirname(os.path.abspath(__file__))


def f32(x):
    """A scalar as the ops take it."""
    return struct.unpack("f", struct.pack("f", x))[0]


def probe(n, k):
    i = torch.arange(n)
    return torch.cos((0.37 + 0.11 * k) * i + 0.5 * k)


def parameter(shape, index):
    n = math.prod(shape)
    i = torch.arange(n)
    wave = torch.sin(0.61803 * (index + 1) * i + 0.9 * index) + 0.5 * torch.cos(1.7320508 * i + 0.3 * index)
    if len(shape) == 1:
        return (1.0 + 0.2 * wave).reshape(shape)
    return (0.6 / math.sqrt(shape[1]) * wave).reshape(shape)


def specs(c):
    d, h, i = c["head_dim"], c["hidden_size"], c["intermediate_size"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    out = [("model.embed_tokens.weight", (c["vocab_size"], h))]
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        out += [(p + "self_attn.q_proj.weight", (q, h)), (p + "self_attn.k_proj.weight", (kv, h)),
                (p + "self_attn.v_proj.weight", (kv, h)), (p + "self_attn.o_proj.weight", (h, q)),
                (p + "mlp.gate_proj.weight", (i, h)), (p + "mlp.up_proj.weight", (i, h)),
                (p + "mlp.down_proj.weight", (h, i))]
    if not c["tie_word_embeddings"]:
        out.append(("lm_head.weight", (c["vocab_size"], h)))
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        out += [(p + "input_layernorm.weight", (h,)), (p + "post_attention_layernorm.weight", (h,))]
    return out + [("model.norm.weight", (h,))]


def rms(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def rotate(x, positions, theta):
    d = x.shape[-1]
    frequency = theta ** (-2.0 * torch.arange(d // 2) / d)
    angle = positions[..., None, None] * frequency
    low, high = x[..., : d // 2], x[..., d // 2:]
    return torch.cat([low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()], -1)


def run(c, tokens, labels, doc_start, mask, z):
    params = {n: parameter(s, k).requires_grad_() for k, (n, s) in enumerate(specs(c))}
    eps, d = f32(c["rms_norm_eps"]), c["head_dim"]
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    b, t = tokens.shape
    index = torch.arange(t)
    positions = (index - doc_start).double()
    visible = (index[None, None, :] <= index[None, :, None]) & (index[None, None, :] >= doc_start[:, :, None])
    x = params["model.embed_tokens.weight"][tokens]
    for l in range(c["num_hidden_layers"]):
        w = lambda n: params[f"model.layers.{l}.{n}.weight"]
        y = rms(x, w("input_layernorm"), eps)
        q = rotate((y @ w("self_attn.q_proj").T).reshape(b, t, heads, d), positions, c["rope_theta"])
        k = rotate((y @ w("self_attn.k_proj").T).reshape(b, t, kv, d), positions, c["rope_theta"])
        v = (y @ w("self_attn.v_proj").T).reshape(b, t, kv, d)
        k, v = (a.repeat_interleave(heads // kv, 2) for a in (k, v))
        score = torch.einsum("bthd,bshd->bhts", q, k) * f32(1 / math.sqrt(d))
        p = score.masked_fill(~visible[:, None], -math.inf).softmax(-1)
        x = x + torch.einsum("bhts,bshd->bthd", p, v).reshape(b, t, heads * d) @ w("self_attn.o_proj").T
        y = rms(x, w("post_attention_layernorm"), eps)
        gate = y @ w("mlp.gate_proj").T
        x = x + (gate * gate.sigmoid() * (y @ w("mlp.up_proj").T)) @ w("mlp.down_proj").T
    head = params["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
    logits = rms(x, params["model.norm.weight"], eps) @ head.T
    lse = logits.logsumexp(-1)
    rows = (lse - logits.gather(-1, labels[..., None])[..., 0]) * mask
    count = mask.sum()
    loss = rows.sum() / count
    (loss + f32(z) * (lse.pow(2) * mask).sum() / count).backward()
    grads = {}
    for n, p in params.items():
        g = p.grad.reshape(-1)
        grads[n] = {"norm": g.norm().item(), "probes": [(g * probe(g.numel(), k)).sum().item() for k in range(3)],
                    "first": g[:4].tolist()}
    return loss.item(), grads


CASES = {
    "tied_gqa": dict(vocab_size=37, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, head_dim=4, rms_norm_eps=1e-5, rope_theta=100.0, tie_word_embeddings=True),
    "untied_mha": dict(vocab_size=130, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
                       num_key_value_heads=3, head_dim=8, rms_norm_eps=1e-6, rope_theta=10000.0,
                       tie_word_embeddings=False),
    "odd_head": dict(vocab_size=51, hidden_size=20, intermediate_size=13, num_hidden_layers=1, num_attention_heads=6,
                     num_key_value_heads=1, head_dim=10, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=True),
}


def main():
    for name, c in CASES.items():
        b, t = 2, 11
        i = torch.arange(b * t)
        tokens = ((i * i * 7 + 3 * i + 1) % c["vocab_size"]).reshape(b, t)
        labels = ((i * 5 + i * i + 2) % c["vocab_size"]).reshape(b, t)
        doc_start = torch.tensor([[0] * 4 + [4] * 7, [0] * 11])
        mask = ((i % 5) != 3).double().reshape(b, t)
        z = 0.01 if name == "untied_mha" else 0.0
        loss, grads = run(c, tokens, labels, doc_start, mask, z)
        golden = {"config": {"model_type": "llama", "max_position_embeddings": 64, **c}, "batch": b, "seq_len": t,
                  "tokens": tokens.reshape(-1).tolist(), "labels": labels.reshape(-1).tolist(),
                  "doc_start": doc_start.reshape(-1).tolist(), "mask": mask.reshape(-1).int().tolist(), "z_loss": z,
                  "loss": loss, "gradients": grads}
        with open(os.path.join(HERE, f"model_{name}.json"), "w") as f:
            json.dump(golden, f, indent=1)
            f.write("\n")


main()
