#!/usr/bin/env python3
"""Writes model_*.json: loss and parameter gradients of small LLaMA models, in float64 from PyTorch autograd.

    python3 tests/golden/model/make_golden.py      (needs torch; not part of the build or the tests)

Parameters follow a formula that the test repeats, so only shapes, tokens and results are stored. Gradients are kept as
the L2 norm of each tensor and its inner products with three fixed vectors, plus its first elements: a wrong gradient
cannot keep all of them. The model here is written from the equations; its switches are those of the config's key
"ballast". compare_peers.py compares it with the models and layers of libraries. Vectors of power iterations are not of
the formula: they stand under "state".
"""
import json
import math
import os
import struct

import torch
from torch.nn import functional

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


def switches(c):
    return c.get("ballast", {})


def gated(c):
    return switches(c).get("activation", "swiglu") == "swiglu"


def norm_specs(c, name, n):
    out = [(name + ".weight", (n,))]
    return out + [(name + ".bias", (n,))] if switches(c).get("norm") == "layer" else out


def vector_specs(c, l):
    """The one-dimensional parameters of a layer."""
    s, d, h = switches(c), c["head_dim"], c["hidden_size"]
    q, kv, i = c["num_attention_heads"] * d, c["num_key_value_heads"] * d, c["intermediate_size"]
    p, out = f"model.layers.{l}.", []
    if s.get("placement") == "post" or not s.get("qkv_norm"):
        out += norm_specs(c, p + "input_layernorm", h)
    out += norm_specs(c, p + "post_attention_layernorm", h)
    if s.get("qk_norm") or s.get("qkv_norm"):
        out += norm_specs(c, p + "self_attn.q_norm", d) + norm_specs(c, p + "self_attn.k_norm", d)
    if s.get("qkv_norm"):
        out += norm_specs(c, p + "self_attn.v_norm", d)
    if s.get("fc_norm"):
        out += norm_specs(c, p + "self_attn.o_norm", h) + norm_specs(c, p + "mlp.down_norm", h)
    if s.get("layerscale"):
        out += [(p + "self_attn.layer_scale", (h,)), (p + "mlp.layer_scale", (h,))]
    if s.get("activation") == "xielu":
        out += [(p + "mlp.act_fn.alpha_p", (1,)), (p + "mlp.act_fn.alpha_n", (1,))]
    if s.get("sigma_reparam"):
        for n, rows, cols in (("self_attn.qkv", q + 2 * kv, h), ("self_attn.o_proj", h, q),
                              ("mlp.fc1", 2 * i if gated(c) else i, h), ("mlp.down_proj", h, i)):
            out += [(p + n + ".sigma_gain", (1,)), (p + n + ".sigma_u", (cols,)), (p + n + ".sigma_v", (rows,))]
    return out


def specs(c):
    d, h, i = c["head_dim"], c["hidden_size"], c["intermediate_size"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    out = [("model.embed_tokens.weight", (c["vocab_size"], h))]
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        out += [(p + "self_attn.q_proj.weight", (q, h)), (p + "self_attn.k_proj.weight", (kv, h)),
                (p + "self_attn.v_proj.weight", (kv, h)), (p + "self_attn.o_proj.weight", (h, q)),
                *([(p + "mlp.gate_proj.weight", (i, h))] if gated(c) else []), (p + "mlp.up_proj.weight", (i, h)),
                (p + "mlp.down_proj.weight", (h, i))]
    if not c["tie_word_embeddings"]:
        out.append(("lm_head.weight", (c["vocab_size"], h)))
    for l in range(c["num_hidden_layers"]):
        out += vector_specs(c, l)
    return out if switches(c).get("placement") == "post" else out + norm_specs(c, "model.norm", h)


def norm(c, params, name, x):
    """RMSNorm or LayerNorm over the last axis."""
    w, eps = params[name + ".weight"], f32(c["rms_norm_eps"])
    if switches(c).get("norm") == "layer":
        return functional.layer_norm(x, w.shape, w, params[name + ".bias"], eps)
    return functional.rms_norm(x, w.shape, w, eps)


def frequencies(c):
    d = c["head_dim"]
    w = c["rope_theta"] ** (-2.0 * torch.arange(d // 2) / d)
    s = c.get("rope_scaling")
    if s is None:
        return w
    old, low, high = s["original_max_position_embeddings"], s["low_freq_factor"], s["high_freq_factor"]
    out = []
    for f in w.tolist():
        length = 2 * math.pi / f
        if length < old / high:
            out.append(f)
        elif length > old / low:
            out.append(f / s["factor"])
        else:
            q = (old / length - low) / (high - low)
            out.append((1 - q) * f / s["factor"] + q * f)
    return torch.tensor(out)


def rotate(x, positions, c):
    d = x.shape[-1]
    angle = positions[..., None, None] * frequencies(c)
    low, high = x[..., : d // 2], x[..., d // 2:]
    return torch.cat([low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()], -1)


def power_state(c, params):
    """u and v of every reparametrised matrix: two power iterations from a vector of ones, rounded to float."""
    state = {}
    for n in params:
        if not n.endswith(".sigma_u"):
            continue
        w = stacked(params, n[: -len(".sigma_u")])
        u = torch.ones(w.shape[1])
        for _ in range(2):
            v = w @ u
            v = v / v.norm()
            u = w.T @ v
            u = u / u.norm()
        state[n] = u.float().double()
        state[n[:-1] + "v"] = v.float().double()
    return state


def iterated(params, state):
    """The vectors after the iteration that follows an update, here of weights that stay as they are."""
    after = {}
    for n in state:
        if n.endswith(".sigma_u"):
            w = stacked(params, n[: -len(".sigma_u")]).detach()
            v = functional.normalize(w @ state[n], dim=0)
            after[n], after[n[:-1] + "v"] = functional.normalize(w.T @ v, dim=0), v
    return after


def stacked(params, name):
    """The matrix that a linear layer multiplies with: qkv and a gated fc1 are one each."""
    at, last = name.rsplit(".", 1)
    if last == "qkv":
        return torch.cat([params[f"{at}.{k}_proj.weight"] for k in "qkv"])
    if last == "fc1":
        gate = params.get(at + ".gate_proj.weight")
        up = params[at + ".up_proj.weight"]
        return up if gate is None else torch.cat([gate, up])
    return params[name + ".weight"]


def matrix(c, params, name):
    w = stacked(params, name)
    if not switches(c).get("sigma_reparam"):
        return w
    sigma = params[name + ".sigma_v"] @ w @ params[name + ".sigma_u"]
    return params[name + ".sigma_gain"] / sigma * w


def capped(score, cap):
    return cap * torch.tanh(score / cap)


def attention(c, params, p, x, positions, visible):
    s, d = switches(c), c["head_dim"]
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    b, t = positions.shape
    qkv = x @ matrix(c, params, p + "qkv").T
    q, k, v = (a.reshape(b, t, -1, d) for a in qkv.split([heads * d, kv * d, kv * d], -1))
    if s.get("qk_norm") or s.get("qkv_norm"):
        q, k = norm(c, params, p + "q_norm", q), norm(c, params, p + "k_norm", k)
    if s.get("qkv_norm"):
        v = norm(c, params, p + "v_norm", v)
    q, k = rotate(q, positions, c), rotate(k, positions, c)
    k, v = (a.repeat_interleave(heads // kv, 2) for a in (k, v))
    scale = math.sqrt(s.get("mup_base_head_dim", 64)) / d if "mup_base_width" in s else 1 / math.sqrt(d)
    score = torch.einsum("bthd,bshd->bhts", q, k) * f32(s.get("soft_temp", 1) * scale)
    if "soft_cap" in s:
        score = capped(score, f32(s["soft_cap"]))
    prob = score.masked_fill(~visible[:, None], -math.inf).softmax(-1)
    if s.get("soft_clip"):
        zeta, gamma = f32(s.get("soft_clip_zeta", 1.03)), f32(s.get("soft_clip_gamma", -0.03))
        prob = (f32(zeta - gamma) * prob + gamma).clamp(0, 1)
    return torch.einsum("bhts,bshd->bthd", prob, v).reshape(b, t, heads * d) @ matrix(c, params, p + "o_proj").T


def mlp(c, params, p, x):
    h = x @ matrix(c, params, p + "fc1").T
    kind = switches(c).get("activation", "swiglu")
    if kind == "swiglu":
        gate, up = h.chunk(2, -1)
        h = functional.silu(gate) * up
    elif kind == "gelu":
        h = functional.gelu(h)
    elif kind == "squared_relu":
        h = functional.relu(h) ** 2
    else:
        ap = functional.softplus(params[p + "act_fn.alpha_p"])
        an = 0.5 + functional.softplus(params[p + "act_fn.alpha_n"])
        h = torch.where(h > 0, ap * h * h, an * (torch.expm1(h.clamp(max=0)) - h)) + 0.5 * h
    return h @ matrix(c, params, p + "down_proj").T


def branch(c, params, x, z, norm_name, scale_name, after_name):
    """The way back into the residual stream."""
    s = switches(c)
    if s.get("fc_norm"):
        z = norm(c, params, norm_name, z)
    if s.get("layerscale"):
        z = z * params[scale_name]
    return norm(c, params, after_name, x + z) if s.get("placement") == "post" else x + z


def logit_scale(c):
    return f32(switches(c).get("mup_base_width", c["hidden_size"]) / c["hidden_size"])


def forward(c, params, tokens, labels, doc_start, mask):
    """Loss and mean of squared log-sum-exps over the labels that count."""
    s = switches(c)
    t = tokens.shape[1]
    index = torch.arange(t)
    positions = (index - doc_start).double()
    visible = (index[None, None, :] <= index[None, :, None]) & (index[None, None, :] >= doc_start[:, :, None])
    x = params["model.embed_tokens.weight"][tokens]
    post = s.get("placement") == "post"
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        first, second = p + "input_layernorm", p + "post_attention_layernorm"
        y = x if post or s.get("qkv_norm") else norm(c, params, first, x)
        out = attention(c, params, p + "self_attn.", y, positions, visible)
        x = branch(c, params, x, out, p + "self_attn.o_norm", p + "self_attn.layer_scale", first)
        out = mlp(c, params, p + "mlp.", x if post else norm(c, params, second, x))
        x = branch(c, params, x, out, p + "mlp.down_norm", p + "mlp.layer_scale", second)
    head = params["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"]
    y = x if post else norm(c, params, "model.norm", x)
    logits = logit_scale(c) * (y @ head.T)
    lse = logits.logsumexp(-1)
    rows = (lse - logits.gather(-1, labels[..., None])[..., 0]) * mask
    count = mask.sum()
    return rows.sum() / count, (lse.pow(2) * mask).sum() / count


def run(c, tokens, labels, doc_start, mask, z):
    params = {n: parameter(shape, k) for k, (n, shape) in enumerate(specs(c))}
    state = power_state(c, params)
    params.update(state)
    for n, p in params.items():
        p.requires_grad_(n not in state)
    loss, mean_square_lse = forward(c, params, tokens, labels, doc_start, mask)
    (loss + f32(z) * mean_square_lse).backward()
    grads = {}
    for n, p in params.items():
        if n in state:
            continue
        g = p.grad.reshape(-1)
        grads[n] = {"norm": g.norm().item(), "probes": [(g * probe(g.numel(), k)).sum().item() for k in range(3)],
                    "first": g[:4].tolist()}
    return loss.item(), mean_square_lse.item(), grads, state, iterated(params, state)


CASES = {
    "tied_gqa": dict(vocab_size=37, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, head_dim=4, rms_norm_eps=1e-5, rope_theta=100.0, tie_word_embeddings=True),
    "untied_mha": dict(vocab_size=130, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
                       num_key_value_heads=3, head_dim=8, rms_norm_eps=1e-6, rope_theta=10000.0,
                       tie_word_embeddings=False),
    "odd_head": dict(vocab_size=51, hidden_size=20, intermediate_size=13, num_hidden_layers=1, num_attention_heads=6,
                     num_key_value_heads=1, head_dim=10, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=True),
}

SMALL = dict(vocab_size=23, hidden_size=12, intermediate_size=10, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=6, rms_norm_eps=1e-5, rope_theta=100.0, tie_word_embeddings=True)


# For deep stacks of norms: without it small values are blown up, and f32 cannot follow f64 to 1e-5 on every machine.
EPS = 0.02


def switched(eps=SMALL["rms_norm_eps"], **ballast):
    return dict(SMALL, rms_norm_eps=eps, ballast=dict(version=1, **ballast))


CASES.update({
    "layer_norm": switched(norm="layer"),
    "post_norm": switched(placement="post"),
    "post_layer_norm": switched(placement="post", norm="layer"),
    "gelu": switched(activation="gelu"),
    "squared_relu": switched(activation="squared_relu"),
    "xielu": switched(activation="xielu"),
    "llama3_rope": dict(SMALL, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                                 high_freq_factor=4.0, original_max_position_embeddings=32)),
    "sigma_reparam": switched(sigma_reparam=True),
    "soft_temp": switched(soft_temp=0.5),
    "soft_cap": switched(soft_cap=0.7),
    "soft_clip": switched(soft_clip=True),
    "layerscale": switched(layerscale=0.1),
    "qk_norm": switched(qk_norm=True),
    "qk_norm_cap": switched(qk_norm=True, soft_cap=0.7),
    "qkv_norm": switched(qkv_norm=True),
    "qk_fc_norm": switched(qk_norm=True, fc_norm=True),
    "mup": switched(mup_base_width=4.0, mup_base_head_dim=16.0),
    "nvidia_layer_norm": switched(eps=0.005, norm="layer", activation="squared_relu", qkv_norm=True, fc_norm=True,
                                  layerscale=0.1, soft_cap=1.5, soft_clip=True),
    "post_everything": switched(eps=EPS, placement="post", activation="gelu", qk_norm=True, fc_norm=True, layerscale=0.1,
                                soft_temp=0.7, soft_clip=True, soft_clip_zeta=1.2, soft_clip_gamma=-0.1),
    "nemotron": switched(norm="layer", activation="squared_relu"),
    "apertus": dict(SMALL, tie_word_embeddings=False, ballast=dict(version=1, activation="xielu", qk_norm=True),
                    rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                      original_max_position_embeddings=32)),
    # Without fc_norm, which makes the gain of a reparametrised matrix a direction of no change.
    "sigma_scale_mup": switched(eps=EPS, sigma_reparam=True, layerscale=0.1, mup_base_width=6.0, norm="layer", qk_norm=True,
                                soft_cap=2.0),
})


FACTORS = {"norm": ["rms", "layer"], "placement": ["pre", "post"],
           "activation": ["swiglu", "gelu", "squared_relu", "xielu"], "heads": ["", "qk_norm", "qkv_norm"],
           "fc_norm": [False, True], "soft_temp": [1.0, 0.6], "soft_cap": [0, 0.9], "soft_clip": [False, True],
           "layerscale": [0, 0.3], "sigma_reparam": [False, True], "mup_base_width": [0, 6.0], "tied": [False, True],
           "llama3": [False, True]}


def allowed(row):
    """A norm right behind a reparametrised matrix makes its gain a direction of no change."""
    return not (row.get("sigma_reparam") and (row.get("fc_norm") or row.get("heads") == "qkv_norm"))


def covering_rows():
    """Rows in which every allowed pair of values occurs, greedily: each row adds the values that meet most new pairs."""
    names = list(FACTORS)
    pairs = [((a, x), (b, y)) for i, a in enumerate(names) for b in names[i + 1:] for x in FACTORS[a] for y in FACTORS[b]
             if allowed({a: x, b: y})]
    missing, rows = set(pairs), []
    for pair in pairs:
        if pair not in missing:
            continue
        row = dict(pair)
        for n in names:
            if n in row:
                continue
            gain = lambda v: sum(((k, row[k]), (n, v)) in missing or ((n, v), (k, row[k])) in missing for k in row)
            row[n] = max((v for v in FACTORS[n] if allowed(dict(row, **{n: v}))), key=gain)
        rows.append(row)
        missing -= {p for p in missing if row[p[0][0]] == p[0][1] and row[p[1][0]] == p[1][1]}
    return rows


def covering_case(row):
    """A factor's first value is what a model without the switch has."""
    s = {n: row[n] for n in FACTORS if n not in ("heads", "tied", "llama3") and row[n] != FACTORS[n][0]}
    if row["heads"]:
        s[row["heads"]] = True
    c = dict(SMALL, num_hidden_layers=1, rms_norm_eps=EPS, tie_word_embeddings=row["tied"], ballast=dict(s, version=1))
    return dict(c, rope_scaling=CASES["llama3_rope"]["rope_scaling"]) if row["llama3"] else c


CASES.update({f"pairs_{k:02}": covering_case(row) for k, row in enumerate(covering_rows())})


def batch_of(c):
    """Tokens, labels, document starts and mask."""
    b, t = 2, 11
    i = torch.arange(b * t)
    tokens = ((i * i * 7 + 3 * i + 1) % c["vocab_size"]).reshape(b, t)
    labels = ((i * 5 + i * i + 2) % c["vocab_size"]).reshape(b, t)
    return tokens, labels, torch.tensor([[0] * 4 + [4] * 7, [0] * 11]), ((i % 5) != 3).double().reshape(b, t)


def main():
    for name, c in CASES.items():
        tokens, labels, doc_start, mask = batch_of(c)
        b, t = tokens.shape
        z = 0.01 if name in ("untied_mha", "nvidia_layer_norm") or name.startswith("pairs") else 0.0
        loss, mean_square_lse, grads, state, after = run(c, tokens, labels, doc_start, mask, z)
        golden = {"config": {"model_type": "llama", "max_position_embeddings": 64, **c}, "batch": b, "seq_len": t,
                  "tokens": tokens.reshape(-1).tolist(), "labels": labels.reshape(-1).tolist(),
                  "doc_start": doc_start.reshape(-1).tolist(), "mask": mask.reshape(-1).int().tolist(), "z_loss": z,
                  "loss": loss, "mean_square_lse": mean_square_lse, "gradients": grads}
        if state:
            golden["state"] = {n: v.tolist() for n, v in state.items()}
            golden["state_after"] = {n: v.tolist() for n, v in after.items()}
        with open(os.path.join(HERE, f"model_{name}.json"), "w") as f:
            json.dump(golden, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
