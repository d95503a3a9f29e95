#!/usr/bin/env python3
"""Compares the model of make_golden.py with models and layers that others wrote. Exit 1 when one differs.

    python3 tests/golden/model/compare_peers.py      (needs torch and transformers; not part of the build or the tests)

Loss and every gradient against transformers where it has a class with the same switches. Its norms, rotations and softmax
compute in float32 whatever the weights are, hence bounds of 2e-6 and 2e-5 there; what torch computes in float64 must
agree to 1e-12. The package mup is compared where it is installed.
"""
import math
import sys

import torch
from torch.nn import functional
import transformers
from transformers.models.gemma2 import modeling_gemma2

import make_golden as golden

failures = []


def report(name, error, bound):
    print(f"{name:<58}{error:.2g}")
    if not error <= bound:
        failures.append(name)


def relative(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


def llama_keys(c):
    keys = {k: v for k, v in c.items() if k not in ("ballast", "rope_theta", "rope_scaling")}
    rope = dict(c.get("rope_scaling") or {"rope_type": "default"}, rope_theta=c["rope_theta"])
    return dict(keys, max_position_embeddings=64, rope_parameters=rope, pad_token_id=None, bos_token_id=None, eos_token_id=None,
                attn_implementation="eager")


def gradients_of(model, c):
    tokens, labels, doc_start, mask = golden.batch_of(c)
    index = torch.arange(tokens.shape[1])
    visible = (index[None, None, :] <= index[None, :, None]) & (index[None, None, :] >= doc_start[:, :, None])
    bias = torch.zeros(visible.shape, dtype=torch.float64).masked_fill(~visible, -1e30)[:, None]
    logits = model(input_ids=tokens, position_ids=index - doc_start, attention_mask=bias, use_cache=False).logits
    rows = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    loss = (rows * mask.flatten()).sum() / mask.sum()
    loss.backward()
    return loss.item()


def compare_model(case, config_class, model_class, rename=lambda n: n, shift=0.0, **extra):
    """`shift` is what the class adds to the gains that it stores."""
    c = golden.CASES[case]
    model = model_class(config_class(**llama_keys(c), **extra)).double().eval()
    theirs = dict(model.named_parameters())
    ours = {n: golden.parameter(shape, k) for k, (n, shape) in enumerate(golden.specs(c))}
    assert {rename(n) for n in ours} == set(theirs), {rename(n) for n in ours} ^ set(theirs)
    with torch.no_grad():
        for n, p in ours.items():
            theirs[rename(n)].copy_((p - shift if "norm" in n and n.endswith("weight") else p).reshape(theirs[rename(n)].shape))
    loss = gradients_of(model, c)
    for p in ours.values():
        p.requires_grad_(True)
    ours_loss = golden.forward(c, ours, *golden.batch_of(c))[0]
    ours_loss.backward()
    report(f"{case}: loss of {model_class.__name__}", abs(ours_loss.item() - loss) / loss, 2e-6)
    total = math.sqrt(sum(p.grad.square().sum().item() for p in ours.values()))
    worst = max((p.grad.flatten() - theirs[rename(n)].grad.flatten()).norm().item() / max(p.grad.norm().item(), 1e-6 * total)
                for n, p in ours.items())
    report(f"{case}: gradients of {model_class.__name__}", worst, 2e-5)


def apertus_name(name):
    return name.replace("input_layernorm", "attention_layernorm").replace("post_attention_layernorm", "feedforward_layernorm")


def compare_models():
    plain = (transformers.LlamaConfig, transformers.LlamaForCausalLM)
    for case in ("tied_gqa", "untied_mha", "llama3_rope"):
        compare_model(case, *plain, hidden_act="silu")
    compare_model("qk_norm", transformers.Qwen3Config, transformers.Qwen3ForCausalLM, hidden_act="silu")
    compare_model("squared_relu", transformers.ArceeConfig, transformers.ArceeForCausalLM, hidden_act="relu2")
    compare_model("gelu", transformers.ArceeConfig, transformers.ArceeForCausalLM, hidden_act="gelu")
    compare_model("apertus", transformers.ApertusConfig, transformers.ApertusForCausalLM, rename=apertus_name,
                  hidden_act="xielu")
    compare_model("nemotron", transformers.NemotronConfig, transformers.NemotronForCausalLM, shift=1.0, hidden_act="relu2",
                  partial_rotary_factor=1.0, norm_eps=golden.SMALL["rms_norm_eps"])


def compare_soft_cap():
    """Gemma 2 caps scores as soft_cap does. Outputs of one attention and its gradient, without rotation."""
    b, t, heads, d, cap = 2, 7, 3, 4, 0.7
    q, k, v = (torch.randn(b, heads, t, d).requires_grad_(True) for _ in range(3))
    mask = torch.triu(torch.full((t, t), -math.inf), 1)[None, None]
    module = torch.nn.Module()
    module.num_key_value_groups, module.training = 1, False
    theirs, _ = modeling_gemma2.eager_attention_forward(module, q, k, v, mask, scaling=0.5, softcap=cap)
    score = golden.capped(torch.einsum("bhtd,bhsd->bhts", q, k) * 0.5, cap)
    ours = torch.einsum("bhts,bhsd->bthd", (score + mask).softmax(-1), v)
    weight = torch.randn_like(ours)
    a = torch.autograd.grad((ours * weight).sum(), (q, k, v), retain_graph=True)
    e = torch.autograd.grad((theirs * weight).sum(), (q, k, v))
    report("soft_cap: attention of Gemma 2", max(relative(x, y) for x, y in zip(a, e)), 2e-6)


def compare_sigma():
    """The spectral norm of torch divides by v'wu too, with u and v as constants and one iteration per training step."""
    linear = torch.nn.Linear(9, 6, bias=False)
    torch.nn.utils.parametrizations.spectral_norm(linear, n_power_iterations=1)
    w, state = linear.parametrizations.weight.original, linear.parametrizations.weight[0]
    u = state._v.clone()  # torch's u is of the rows, ours of the columns
    theirs = linear.weight
    v = functional.normalize(w.detach() @ u, dim=0)
    u = functional.normalize(w.detach().T @ v, dim=0)
    report("sigma_reparam: u after torch's spectral_norm", relative(u, state._v), 1e-12)
    ours = w / (v @ w @ u)
    weight = torch.randn_like(ours)
    a, = torch.autograd.grad((ours * weight).sum(), w, retain_graph=True)
    e, = torch.autograd.grad((theirs * weight).sum(), w)
    report("sigma_reparam: gradient of torch's spectral_norm", relative(a, e), 1e-12)


def compare_mup():
    """The output layer of microsoft/mup divides by the width over the base width, as logits here are scaled."""
    try:
        import mup
    except ImportError:
        return print("mup is not installed: its output layer is not compared")
    c = golden.CASES["mup"]
    heads = [torch.nn.Sequential(mup.MuReadout(width, c["vocab_size"], bias=False))
             for width in (int(golden.switches(c)["mup_base_width"]), c["hidden_size"])]
    mup.set_base_shapes(heads[1], heads[0], delta=torch.nn.Sequential(mup.MuReadout(99, c["vocab_size"], bias=False)))
    x = torch.randn(5, c["hidden_size"])
    ours = golden.logit_scale(c) * (x @ heads[1][0].weight.T)
    report("mup: logits of MuReadout", relative(ours, heads[1](x)), 1e-7)  # the scale is a float


def compare_rope():
    c = golden.CASES["apertus"]
    config = transformers.LlamaConfig(**llama_keys(c))
    theirs, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    report("llama3_rope: frequencies of transformers", relative(golden.frequencies(c), theirs.double()), 1e-6)


def main():
    torch.manual_seed(1)
    compare_models()
    compare_soft_cap()
    compare_sigma()
    compare_mup()
    compare_rope()
    for name in failures:
        print("differs:", name, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
