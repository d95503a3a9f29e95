#!/usr/bin/env python3
"""Training step of the same LLaMA in PyTorch, eager and compiled, for comparison with `pretrain`.

    step_torch.py SHAPE STEPS [--compile] [--device cpu|cuda] [--batch B] [--seq T]

SHAPE: a key of SHAPES below; prints median tokens/s and ms per step. Same shape, batch, sequence length, loss and AdamW as
`pretrain --model SHAPE --batch-tokens B*T --seq-len T --micro-batch B`: RMSNorm, rotary positions, grouped-query attention
through scaled_dot_product_attention, SwiGLU, tied embeddings, fused AdamW, clipping by global norm. On the CPU in fp32,
threads by OMP_NUM_THREADS; on a GPU with fp32 weights under bf16 autocast.
"""
import argparse
import statistics
import time

import torch
import torch.nn.functional as F

# vocabulary, hidden, MLP, layers, heads, key-value heads
SHAPES = {
    "emu": (512, 128, 256, 2, 2, 2),
    "demo-3m": (8192, 192, 512, 4, 6, 3),
    "llama-14m": (8192, 384, 1024, 6, 6, 6),
    "zclip-1b": (65536, 2048, 5440, 16, 16, 16),
}
parser = argparse.ArgumentParser()
parser.add_argument("shape", choices=SHAPES)
parser.add_argument("steps", type=int)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--seq", type=int, default=256)
args = parser.parse_args()
B, T = args.batch, args.seq


class Block(torch.nn.Module):
    def __init__(self, h, i, heads, kv):
        super().__init__()
        self.heads, self.kv, self.d = heads, kv, h // heads
        self.n1, self.n2 = torch.nn.RMSNorm(h, eps=1e-5), torch.nn.RMSNorm(h, eps=1e-5)
        self.qkv = torch.nn.Linear(h, (heads + 2 * kv) * self.d, bias=False)
        self.o = torch.nn.Linear(h, h, bias=False)
        self.gate_up = torch.nn.Linear(h, 2 * i, bias=False)
        self.down = torch.nn.Linear(i, h, bias=False)

    def rotate(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x, cos, sin):
        q, k, v = self.qkv(self.n1(x)).split([self.heads * self.d, self.kv * self.d, self.kv * self.d], -1)
        q = q.view(B, T, self.heads, self.d).transpose(1, 2)
        k, v = (a.view(B, T, self.kv, self.d).transpose(1, 2) for a in (k, v))
        q, k = self.rotate(q, cos, sin), self.rotate(k, cos, sin)
        if self.kv != self.heads:
            k, v = (a.repeat_interleave(self.heads // self.kv, 1) for a in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(B, T, -1))
        gate, up = self.gate_up(self.n2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(torch.nn.Module):
    def __init__(self, vocab, h, i, layers, heads, kv):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, h)
        self.blocks = torch.nn.ModuleList(Block(h, i, heads, kv) for _ in range(layers))
        self.norm = torch.nn.RMSNorm(h, eps=1e-5)
        d = h // heads
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, tokens, labels):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))


def main():
    shape, device = SHAPES[args.shape], torch.device(args.device)
    torch.manual_seed(0)
    model = Model(*shape).to(device)
    run = torch.compile(model) if args.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    times = []
    for _ in range(args.steps):
        tokens = torch.randint(0, shape[0], (B, T + 1), device=device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            loss = run(tokens[:, :-1], tokens[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    median = statistics.median(times[3:])
    kind = "compiled" if args.compile else "eager"
    print(f"torch {torch.__version__} {kind} {args.shape}: {B * T / median:.0f} tokens/s, {median * 1e3:.1f} ms")


main()
