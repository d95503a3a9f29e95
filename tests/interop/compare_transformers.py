#!/usr/bin/env python3
"""Compares a converted checkpoint with Hugging Face transformers. Not part of the tests: needs torch and transformers.

    ckpt convert --to hf RUN -o hf
    logits_tool RUN/ckpt/step-N shards/holdout 64 256 logits.safetensors     (ninja logits_tool)
    compare_transformers.py hf logits.safetensors

Exit 0 when the largest difference of any logit is at most 2e-4 and generate() works.
"""
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, dump = sys.argv[1], load_file(sys.argv[2])
model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"], info
model.eval()
tokens, ours = dump["tokens"].long(), dump["logits"]
largest = 0.0
with torch.no_grad():
    for i in range(len(tokens)):
        theirs = model(tokens[i : i + 1]).logits[0]
        largest = max(largest, (theirs - ours[i]).abs().max().item())
print(f"{len(tokens)} sequences of {tokens.shape[1]}: largest difference of a logit {largest:.3g}")
tokenizer = AutoTokenizer.from_pretrained(folder)
prompt = tokenizer("Debian", return_tensors="pt")
prompt.pop("token_type_ids", None)
text = tokenizer.decode(model.generate(**prompt, max_new_tokens=20, do_sample=False)[0])
print("generate:", repr(text))
sys.exit(0 if largest <= 2e-4 else 1)
