#!/usr/bin/env python3
"""Our shards as megatron-core and datatrove read them, token by token, and shards that they write as we read them. Not part
of the tests: needs megatron-core, torch, numpy and datatrove.

    shard_peers.py TOKSHARD PREFIX TOKENIZER WORK

PREFIX is a shard with sidecar and manifest, TOKENIZER what it was made with, WORK a new folder. Exit 0 when everything is the
same.
"""
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy
from datatrove.utils.dataset import DatatroveFileDataset
from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile
from datatrove.pipeline.tokens.tokenizer import TokenizedFile
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder
from megatron.core.datasets.utils import Split

from megatron_layout import read_shard

TOKSHARD, PREFIX, TOKENIZER, WORK = sys.argv[1:]
wrong = 0


def tokshard(*words):
    subprocess.run([TOKSHARD, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tell(what, ours, theirs):
    """Documents, as lists of arrays."""
    global wrong
    same = len(ours) == len(theirs) and all(numpy.array_equal(a, b) for a, b in zip(ours, theirs))
    wrong += not same
    print(f"{what}: {len(ours)} documents, {sum(map(len, ours))} tokens, {'same' if same else 'DIFFERENT'}")


def same_bytes(what, a, b):
    global wrong
    same = open(a, "rb").read() == open(b, "rb").read()
    wrong += not same
    print(f"{what}: {os.path.getsize(a)} bytes, {'same' if same else 'DIFFERENT'}")


os.makedirs(WORK)
here = lambda name: os.path.join(WORK, name)
documents = read_shard(PREFIX)
stream = numpy.concatenate(documents)
manifest = json.load(open(PREFIX + ".manifest.json"))
width = 2 if manifest["dtype"] == "uint16" else 4

theirs = IndexedDataset(PREFIX)
tell("megatron-core IndexedDataset", documents, [theirs[i] for i in range(len(theirs))])
assert list(theirs.document_indices) == list(range(len(documents) + 1))

# GPTDataset's samples, from the orders that it drew itself: consecutive ones share a token.
tokenizer = SimpleNamespace(eod=manifest["eos"], vocab_size=manifest["vocab_size"], unique_identifiers={"name": "ours"}, pad=-1)
config = GPTDatasetConfig(random_seed=7, sequence_length=128, blend=([PREFIX], None), split="1", tokenizer=tokenizer,
                          path_to_cache=here("cache"), reset_position_ids=False, reset_attention_mask=False,
                          eod_mask_loss=False, mid_level_dataset_surplus=0.005)
config.mock = False
samples = len(stream) // 128 * 2
gpt = GPTDataset(theirs, PREFIX, numpy.arange(len(theirs), dtype=numpy.int32), samples, Split.train, config)
order = numpy.concatenate([documents[i] for i in gpt.document_index])
shown = [numpy.concatenate([gpt[i]["tokens"].numpy(), gpt[i]["labels"].numpy()[-1:]]) for i in range(samples)]
tell("megatron-core GPTDataset, samples of 129 over two epochs",
     [order[128 * i:128 * i + 129].astype("int64") for i in gpt.shuffle_index[:samples]], shown)

# Windows of a file of datatrove's, whose borders it takes from the index: positions restart where a document begins.
# Between 65,500 and 65,536 Megatron takes four bytes for an id already, datatrove two.
ds_width = 2 if manifest["vocab_size"] <= 65536 else 4
tokshard("export", "--to", "datatrove", PREFIX, "-o", here("out.ds"))
for length in (64, 1000):
    loader = DatatroveFileDataset(here("out.ds"), length, token_size=ds_width, return_positions=True)
    windows = [loader[i] for i in range(len(loader))]
    tell(f"datatrove DatatroveFileDataset, windows of {length + 1}",
         [stream[i * (length + 1):(i + 1) * (length + 1)] for i in range(len(stream) // (length + 1))],
         [w["input_ids"].numpy() for w in windows])
    position = numpy.concatenate([numpy.arange(len(d)) for d in documents])
    place = numpy.arange(length + 1)  # a document that began before the window goes on from 0
    tell("  and its positions in documents",
         [numpy.minimum(position[i * (length + 1):(i + 1) * (length + 1)], place) for i in range(len(windows))],
         [w["positions"].numpy() for w in windows])

builder = IndexedDatasetBuilder(here("core.bin"), dtype=DType.optimal_dtype(manifest["vocab_size"]))
for document in documents:
    builder.add_document(document, [len(document)])
builder.finalize(here("core.idx"))
same_bytes("shard written by megatron-core, .bin", here("core.bin"), PREFIX + ".bin")
same_bytes("shard written by megatron-core, .idx", here("core.idx"), PREFIX + ".idx")
tokshard("adopt", "--tokenizer", TOKENIZER, here("core"))
tokshard("verify", "--full", here("core"))

megatron = MegatronTokenizedFile(WORK, "trove", token_size=width)
plain = TokenizedFile(WORK, "trove.ds", token_size=ds_width, save_index=True, save_final_metadata=True,
                      tokenizer_name_or_path="org/tok")
for document in documents:
    megatron.write(document.tolist())
    plain.write(document.tolist(), None)
megatron.close()
plain.close()
tokshard("adopt", "--tokenizer", TOKENIZER, here("trove"))
tokshard("verify", "--full", here("trove"))
tell("Megatron shard written by datatrove, adopted", documents, read_shard(here("trove")))
tokshard("adopt", "--tokenizer", TOKENIZER, here("trove.ds"), "-o", here("back"))
tell(".ds written by datatrove, adopted", documents, read_shard(here("back")))
tokshard("export", "--to", "datatrove", here("back"), "-o", here("again.ds"))
for ending in ("", ".index", ".metadata"):
    same_bytes(f"and exported, .ds{ending}", here("again.ds" + ending), here("trove.ds" + ending))
sys.exit(1 if wrong else 0)
