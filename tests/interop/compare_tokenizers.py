#!/usr/bin/env python3
"""Compares what tokshard makes of texts with the tokenizer libraries that define the file, in both directions, document by
document. Not part of the tests: needs numpy, and by the content of the file tokenizers and tiktoken (tokenizer.json),
mistral_common (tekken.json) or sentencepiece (tokenizer.model).

    compare_tokenizers.py BIN_DIR TOKENIZER [DOCS.jsonl ...] [--random MB]

--random adds documents of random code points, all that Python's unicodedata knows as assigned (surrogates aside), drawn
evenly, so that every class of the split pattern meets every other. Ids are read from the shard by a numpy reader of the
published layout. Hugging Face tokenizers also decodes, and text given back must be the text that went in, for both; of
SentencePiece it must be what the library gives back.

tiktoken is given the vocabulary of a tokenizer.json as ranks, in the order of its merges. It has no added tokens, so documents
that spell one out are left to Hugging Face; and since it joins any two tokens that make a third, a vocabulary with two ways to
the same token means something else to it and is not compared. Exit 0 when nothing differs.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import numpy

from megatron_layout import read_shard

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def random_documents(megabytes, seed=1):
    points = [chr(c) for c in range(0x110000)
              if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    rng = random.Random(seed)
    left = megabytes * 1000000
    while left > 0:
        text = "".join(rng.choices(points, k=rng.randrange(1, 4000)))
        left -= len(text.encode())
        yield text


def byte_of():
    """Character of the byte-level alphabet -> byte."""
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


class HuggingFace:
    name = "Hugging Face tokenizers"

    def __init__(self, path, _):
        import tokenizers
        self.name += " " + tokenizers.__version__
        self.model = tokenizers.Tokenizer.from_file(path)

    def knows(self, _):
        return True

    def ids(self, texts):
        return [e.ids for e in self.model.encode_batch(texts, add_special_tokens=False)]

    def text(self, ids, _):
        return self.model.decode(ids, skip_special_tokens=False)


class Tiktoken:
    name = "tiktoken"

    def __init__(self, _, file):
        import tiktoken
        self.name += " " + tiktoken.__version__
        bytes_of = byte_of()
        raw = {token: bytes(bytes_of[c] for c in token)
               for token in file["model"]["vocab"] if all(c in bytes_of for c in token)}
        self.added = [token["content"] for token in file["added_tokens"]]
        order = [t for t in raw if len(raw[t]) == 1]
        order += [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
        order = [merge.replace(" ", "") for merge in order]
        self.ids_of_rank = [file["model"]["vocab"][token] for token in order]
        stages = file["pre_tokenizer"].get("pretokenizers", [file["pre_tokenizer"]])
        pattern = stages[0]["pattern"]["Regex"] if stages[0]["type"] == "Split" else GPT2
        self.model = tiktoken.Encoding("compared", pat_str=pattern, special_tokens={},
                                       mergeable_ranks={raw[token]: i for i, token in enumerate(order)})

    @staticmethod
    def means_the_same(file):
        merges = ["".join(m.split(" ") if isinstance(m, str) else m) for m in file["model"]["merges"]]
        return len(set(merges)) == len(merges) and file["normalizer"] is None

    def knows(self, text):
        return not any(token in text for token in self.added)

    def ids(self, texts):
        return [[self.ids_of_rank[r] for r in ranks] for ranks in self.model.encode_ordinary_batch(texts)]

    def text(self, _, text):
        return text


class MistralCommon:
    name = "mistral-common"

    def __init__(self, path, _):
        import mistral_common
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
        self.name += " " + mistral_common.__version__
        self.model = Tekkenizer.from_file(path)

    def knows(self, _):
        return True

    def ids(self, texts):
        return [self.model.encode(text, bos=False, eos=False) for text in texts]

    def text(self, ids, _):
        return self.model.decode(ids)


class SentencePiece:
    name = "sentencepiece"

    def __init__(self, path, _):
        import sentencepiece
        self.name += " " + sentencepiece.__version__
        self.model = sentencepiece.SentencePieceProcessor(model_file=path)

    def knows(self, _):
        return True

    def ids(self, texts):
        return self.model.encode(texts)

    def text(self, ids, _):
        return self.model.decode(ids)


def peers_of(path):
    """The peers for a file, and what --special has to be for ids that are theirs."""
    with open(path, "rb") as opened:
        content = opened.read()
    if content.lstrip()[:1] != b"{":
        return [SentencePiece(path, None)], "escape"
    file = json.loads(content)
    if "config" in file:
        return [MistralCommon(path, file)], "escape"
    peers = [HuggingFace(path, file)]
    if Tiktoken.means_the_same(file):
        peers.append(Tiktoken(path, file))
    return peers, "match"


def tokshard_of(options, texts, special):
    tokshard = os.path.join(options.bin_dir, "tokshard")
    with tempfile.TemporaryDirectory() as scratch:
        source, prefix = os.path.join(scratch, "docs.jsonl"), os.path.join(scratch, "shard")
        with open(source, "w", encoding="utf-8", newline="\n") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"id": str(i), "text": text}) + "\n")
        subprocess.run([tokshard, "encode", "-q", "--order", "input", "--bos", "none", "--eos", "none", "--special", special,
                        "--tokenizer", options.tokenizer, source, "-o", prefix], check=True)
        decoded = subprocess.run([tokshard, "decode", "--tokenizer", options.tokenizer, prefix],
                                 check=True, stdout=subprocess.PIPE).stdout.decode("utf-8").split("\n")[:-1]
        return read_shard(prefix), [json.loads(line)["text"] for line in decoded]


def compare(peer, texts, ours, decoded):
    ids = back = tokens = compared = size = 0
    step = 256
    for begin in range(0, len(texts), step):
        batch = [i for i in range(begin, min(begin + step, len(texts))) if peer.knows(texts[i])]
        for i, theirs in zip(batch, peer.ids([texts[i] for i in batch])):
            compared += 1
            tokens += len(theirs)
            size += len(texts[i].encode())
            if not numpy.array_equal(ours[i], theirs):
                ids += 1
                print(f"document {i}: other ids: {texts[i][:60]!r}")
            if decoded[i] != peer.text(ours[i].tolist(), texts[i]):
                back += 1
                print(f"document {i}: other text: {texts[i][:60]!r}")
    print(f"{peer.name}: {compared} documents, {size / 1e6:.1f} MB, {tokens} tokens: "
          f"{ids} with other ids, {back} with other text", flush=True)
    return ids + back


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("tokenizer")
    parser.add_argument("documents", nargs="*")
    parser.add_argument("--random", type=float, default=0)
    options = parser.parse_args()

    texts = []
    for path in options.documents:
        with open(path, encoding="utf-8", newline="\n") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    if options.random:
        print(f"random: code points of Unicode {unicodedata.unidata_version}")
        texts += random_documents(options.random)
    texts = [text for text in texts if text]

    peers, special = peers_of(options.tokenizer)
    ours, decoded = tokshard_of(options, texts, special)
    assert len(ours) == len(decoded) == len(texts), (len(ours), len(decoded), len(texts))
    different = sum(compare(peer, texts, ours, decoded) for peer in peers)
    if not isinstance(peers[0], SentencePiece):
        changed = sum(text != back for text, back in zip(texts, decoded))
        print(f"{changed} of {len(texts)} texts did not come back")
        different += changed
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
