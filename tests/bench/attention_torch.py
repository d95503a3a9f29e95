#!/usr/bin/env python3
"""Causal attention in PyTorch, forward and backward, to put beside time_kernels.

    attention_torch.py [--device cpu|cuda] [--rows N] [--heads H] [--head-dim D] [--seq T ...]

N rows in all, so N/T sequences. On cuda in bf16 with the flash and the cuDNN kernel of scaled_dot_product_attention, on cpu in
fp32 with the one it has. Prints median microseconds and TFLOP/s (causal: half a square; backward 2.5 times forward).
"""
import argparse
import statistics
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

parser = argparse.ArgumentParser()
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--rows", type=int, default=16384)
parser.add_argument("--heads", type=int, default=16)
parser.add_argument("--head-dim", type=int, default=128)
parser.add_argument("--seq", type=int, nargs="+", default=[2048, 4096, 8192])
args = parser.parse_args()
cuda = args.device == "cuda"
KINDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION} if cuda else {"cpu": None}


def wait():
    if cuda:
        torch.cuda.synchronize()


def median(call, samples=9):
    for _ in range(3):
        call()
    times = []
    for _ in range(samples):
        wait()
        start = time.perf_counter()
        for _ in range(10 if cuda else 1):
            call()
        wait()
        times.append((time.perf_counter() - start) / (10 if cuda else 1))
    return statistics.median(times)


def attend(kind, q, k, v):
    if kind is None:
        return scaled_dot_product_attention(q, k, v, is_causal=True)
    with sdpa_kernel(kind):
        return scaled_dot_product_attention(q, k, v, is_causal=True)


for seq in args.seq:
    shape = (args.rows // seq, args.heads, seq, args.head_dim)
    q, k, v = (torch.randn(shape, device=args.device, dtype=torch.bfloat16 if cuda else torch.float32, requires_grad=True)
               for _ in range(3))
    flops = 2 * args.rows * seq * args.heads * args.head_dim
    for name, kind in KINDS.items():
        try:
            out = attend(kind, q, k, v)
        except RuntimeError as refused:
            print(f"torch {name}, T {seq}, {args.heads} x {args.head_dim}: {str(refused).splitlines()[0]}")
            continue
        grad = torch.randn_like(out)
        forward = median(lambda: attend(kind, q, k, v))
        backward = median(lambda: torch.autograd.grad(out, (q, k, v), grad, retain_graph=True))
        print(f"torch {name}, T {seq}, {args.heads} x {args.head_dim}: forward {forward * 1e6:.1f} us, {flops / forward / 1e12:.2f} "
              f"TFLOP/s; backward {backward * 1e6:.1f} us, {2.5 * flops / backward / 1e12:.2f} TFLOP/s")
