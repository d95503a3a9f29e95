#!/usr/bin/env python3
"""Trains the tiny fastText models of this folder and writes what the library says of some texts (expected.jsonl).

    make_golden.py [--say-only]

Needs the PyPI package fasttext-wheel. One model per loss and kind of file; --say-only keeps the models and asks again.
"""
import json
import os
import random
import sys
import tempfile

import fasttext

FOLDER = os.path.dirname(os.path.abspath(__file__))
WORDS = {
    "__label__en": "the a of and house water river goes small stone walks with their evening over bridge light reads book "
                   "children window bread garden winter morning long road some people know this that was where",
    "__label__de": "der die das und ein Haus Wasser Fluss geht kleiner Stein mit ihren Abend über Brücke Licht liest Buch "
                   "Kinder Fenster Brot Garten Winter Morgen lange Straße einige Leute wissen dieses war wo größer",
    "__label__fr": "le la les et une maison eau rivière va petit pierre avec leurs soir sur pont lumière lit livre enfants "
                   "fenêtre pain jardin hiver matin longue route quelques gens savent cela était où façade",
    "__label__ru": "дом вода река идёт маленький камень с их вечер над мост свет читает книга дети окно хлеб сад зима утро "
                   "долгая дорога люди знают это было где и не на",
}
MODELS = {  # name: arguments, quantised
    "softmax.bin": (dict(loss="softmax", dim=8, minn=2, maxn=4, bucket=300, wordNgrams=1), None),
    "hs.bin": (dict(loss="hs", dim=6, minn=1, maxn=3, bucket=200, wordNgrams=2), None),
    "ova.bin": (dict(loss="ova", dim=5, minn=0, maxn=0, bucket=100, wordNgrams=3), None),
    "pruned.ftz": (dict(loss="softmax", dim=9, minn=2, maxn=4, bucket=400, wordNgrams=2),
                   dict(cutoff=300, qnorm=True, retrain=False)),
    "qout.ftz": (dict(loss="hs", dim=8, minn=2, maxn=3, bucket=300, wordNgrams=1), dict(qnorm=False, qout=True, dsub=3)),
}
TEXTS = [
    "the river goes over the small bridge", "Das Haus und der Garten im Winter", "les enfants et le pain", "дети читает книгу",
    "", "  \t ", "zzz qqq", "über\nla\tдорога", "the __label__en word", "12345 67 !", "größer façade où", "日本語のテキスト",
    "a", "Haus Haus Haus Haus the", "ab" * 3000, "light and bread\u00a0water", "x\vy\fz\r\nw",
]


def train():
    draw = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        paths = os.path.join(folder, "few"), os.path.join(folder, "many")
        with open(paths[0], "w") as few, open(paths[1], "w") as many:
            for i in range(900):
                label = draw.choices(list(WORDS), weights=[4, 3, 2, 1])[0]
                words = " " + " ".join(draw.choices(WORDS[label].split(), k=draw.randrange(3, 12))) + "\n"
                few.write(label + words)
                many.write(f"{label}_{i % 130}" + words)  # the library quantises outputs from 256 labels on
        for name, (settings, quantised) in MODELS.items():
            path = paths[name == "qout.ftz"]
            model = fasttext.train_supervised(path, epoch=15, lr=0.5, thread=1, verbose=0, **settings)
            if quantised:
                model.quantize(input=path, **quantised)
            model.save_model(os.path.join(FOLDER, name))


def main():
    if "--say-only" not in sys.argv:
        train()
    with open(os.path.join(FOLDER, "expected.jsonl"), "w") as out:
        for name in MODELS:
            model = fasttext.load_model(os.path.join(FOLDER, name))
            for text in TEXTS:
                # One line, as the filters of datatrove ask; the binding itself adds the line feed that ends it.
                pairs = model.f.predict(text.replace("\n", " ") + "\n", -1, 0.0, "strict")
                out.write(json.dumps({"model": name, "text": text, "scores": {label: p for p, label in pairs}}) + "\n")


main()
