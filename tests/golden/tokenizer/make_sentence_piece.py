#!/usr/bin/env python3
"""Makes small SentencePiece models and what the library's own binding says of texts: *.model and sentence_piece.json.
Needs sentencepiece 0.2.3 (PyPI).

    make_sentence_piece.py FOLDER
"""
import json
import os
import random
import sys

import sentencepiece

WORDS = ("the ballast keeps a ship upright and its crew dry while wind and waves push it over "
         "das Schiff hält sich im Lot 船 压舱 物 稳 定 2026 10 3.14 it's don't -- ( ) \" / file.txt").split(" ")
TEXTS = ["", " ", "the ship", "  two  spaces ", "Das Schiff hält.", "船稳定", "\uFB01ne \u2460 \u00BD \u212B", "line\nbreak\ttab", "<s> </s> <mark>x",
         "\U0001F6A2 ship \u0000 zero", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "it's 2026, don't"]


def main():
    folder = sys.argv[1]
    rng = random.Random(5)
    lines = os.path.join(folder, "lines.txt")
    with open(lines, "w", encoding="utf-8") as out:
        for _ in range(400):
            out.write(" ".join(rng.choices(WORDS, k=12)) + "\n")
    rules = os.path.join(folder, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as out:
        for source, target in (("ﬁ", "fi"), ("①", "1"), ("½", "1/2"), ("\u212B", "\u00C5"), ("\t", " "), ("\n", " ")):
            out.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
    expected = {}
    for kind, size, options in (("unigram", 200, {"normalization_rule_tsv": rules}),
                                ("bpe", 420, {"normalization_rule_name": "identity", "byte_fallback": True,
                                              "remove_extra_whitespaces": False}),
                                ("char", 60, {"normalization_rule_name": "identity", "add_dummy_prefix": False})):
        prefix = os.path.join(folder, kind)
        sentencepiece.SentencePieceTrainer.train(
            input=lines, model_prefix=prefix, model_type=kind, vocab_size=size, hard_vocab_limit=False, minloglevel=2,
            user_defined_symbols=["<mark>"], num_threads=1, **options)
        os.remove(prefix + ".vocab")
        model = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
        expected[kind] = {"size": model.get_piece_size(), "bos": model.bos_id(), "eos": model.eos_id(),
                          "texts": [{"text": text, "ids": model.encode(text), "back": model.decode(model.encode(text))}
                                    for text in TEXTS]}
    os.remove(lines)
    os.remove(rules)
    with open(os.path.join(folder, "sentence_piece.json"), "w", encoding="utf-8") as out:
        json.dump(expected, out, indent=1, ensure_ascii=False)
        out.write("\n")


main()
