#!/usr/bin/env python3
"""Compares the classifiers of `tokshard filter` with their peers, document by document. Not part of the tests: needs datatrove with
fastText (fasttext-wheel with NumPy 1: training in fasttext-numpy2-wheel ends in NaN now and then) and scikit-learn.

    compare_classifiers.py TOKSHARD DOCS.jsonl

DOCS.jsonl has documents in several languages, each with its `language`. On half of them the script trains small models; asked are
all documents, and short pieces of all, of which models are less sure. Compared are:

- --lang-model with LanguageFilter (ft176, and GlotLID's labels with scripts), with and without a list of languages;
- --score fasttext: and --keep with FastTextClassifierFilter, for labels to keep and to remove;
- --score linear: with scikit-learn's own scores (and its processor time on the documents, one thread each; tokshard's has start,
  reading the model, reading and writing of the documents in it), and the words of every assigned code point with those of its CountVectorizer.

A decision may differ where a score is within 2e-5 of the limit, the rounding of float sums; these are counted. The default of
FastTextClassifierFilter joins the last word of a line with the first of the next, and it takes white space beyond ASCII off the
ends of a text: it is compared with tokshard on documents that were given the same treatment, and the script says how many
decisions that treatment changes. Exit 0 when nothing else differs.
"""
import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata

import fasttext
import numpy as np
from datatrove.data import Document
from datatrove.pipeline.filters import FastTextClassifierFilter, LanguageFilter
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

for peer in (FastTextClassifierFilter, LanguageFilter):
    peer._requires_dependencies = []  # fastText by the name of one of its packages
NEAR = 2e-5
SCRIPTS = {"ru": "Cyrl", "uk": "Cyrl", "sr": "Cyrl", "ja": "Jpan", "ko": "Hang", "zh_Hans": "Hans", "zh_Hant": "Hant"}
ODD = [" ", "\u00a0\u00a0", "the word </s> ends it", "__label__de und der", "x\0y z", "\u00a0the end\u00a0", "\r\n\t\v\f", "\u2028a b"]


class Tokshard:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def ask(self, texts, *flags):
        """Of each text: whether it stays, and what is known of it. Leaves its processor time in self.seconds."""
        source, kept, rejects = (os.path.join(self.folder, name) for name in ("in.jsonl", "kept.jsonl", "rejects.jsonl"))
        with open(source, "w") as out:
            for i, text in enumerate(texts):
                out.write(json.dumps({"text": text, "id": str(i)}) + "\n")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.path, "filter", "-q", "-f", "-j", "1", "--pii", "off", "--min-chars", "0", *flags, "--rejects", rejects, "-o",
                        kept, source], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        said = [None] * len(texts)
        for path in (kept, rejects):
            with open(path) as lines:
                for record in map(json.loads, lines):
                    said[int(record["id"])] = (path == kept, record)
        assert None not in said
        return said


def train(folder, name, pairs, **settings):
    path = os.path.join(folder, name)
    with open(path + ".txt", "w") as out:
        for label, text in pairs:
            out.write(f"__label__{label} " + " ".join(text.split()) + "\n")
    fasttext.train_supervised(path + ".txt", thread=1, verbose=0, **settings).save_model(path)
    return path


def report(what, texts, wanted, found, near):
    """wanted, found: decisions; near: which of the texts lie at the limit. Returns how many differ without reason."""
    different = [i for i, (theirs, ours) in enumerate(zip(wanted, found)) if theirs != ours]
    unexplained = [i for i in different if not near[i]]
    print(f"{what}: {len(texts)} decisions, {sum(bool(kept) for kept in wanted)} kept, {len(different)} differ, "
          f"{len(different) - len(unexplained)} of them at the limit")
    for i in unexplained[:10]:
        print(f"    {texts[i][:60]!r}: {'kept' if wanted[i] else 'removed'} by the peer")
    if len(set(wanted)) < 2:
        print("    which proves nothing: all decisions are the same")
        return 1
    return len(unexplained)


def compare_languages(tool, model, texts, backend, wanted_languages, threshold):
    peer = LanguageFilter(languages=wanted_languages, language_threshold=threshold, backend=backend)
    peer.model._model = fasttext.FastText._FastText(model)
    flags = ["--lang-model", model, "--language-threshold", str(threshold)]
    if wanted_languages:
        flags += ["--languages", ",".join(wanted_languages)]
    ours = tool.ask(texts, *flags)
    decisions, near, other_labels, worst = [], [], 0, 0.0
    for text, (_, record) in zip(texts, ours):
        document = Document(text=text, id="0")
        decisions.append(bool(peer.filter(document)))
        (label, score), pairs = peer.model.predict(document)
        near.append(any(abs(value - threshold) < NEAR for value in pairs.values()))
        worst = max(worst, abs(score - record["ballast"]["language"]["score"]))
        tie = sum(score - value < NEAR for value in pairs.values()) > 1
        other_labels += label != record["language"] and not tie
    what = f"LanguageFilter {backend}, {','.join(wanted_languages or ['all'])} > {threshold}"
    print(f"{what}: scores differ by at most {worst:.1e}, {other_labels} labels differ")
    return report(what, texts, decisions, [kept for kept, _ in ours], near) + other_labels + (worst > NEAR)


def compare_scores(tool, model, texts, label, limit, keep, newline):
    flag = {"keep_labels": (label, limit)} if keep else {"remove_labels": (label, limit)}
    peer = FastTextClassifierFilter(model, newline_replacement=newline, **flag)
    peer._model = fasttext.FastText._FastText(model)
    texts = [text for text in texts if text.strip()]  # of blanks alone the peer keeps nothing, whatever the model says
    spec = ["--score", f"s=fasttext:{model},label={label}", "--keep", f"s{'>=' if keep else '<'}{limit!r}"]
    # What the peer makes of a text before it asks.
    ours = tool.ask([text.strip().replace("\n", newline) for text in texts], *spec)
    decisions, near, worst = [], [], 0.0
    for text, (_, record) in zip(texts, ours):
        document = Document(text=text, id="0")
        decisions.append(bool(peer.filter(document)))
        score = document.metadata.get("__label__" + label, 0.0)
        near.append(abs(score - limit) < NEAR)
        worst = max(worst, abs(score - record["ballast"]["scores"]["s"]))
    what = f"FastTextClassifierFilter, {'keep' if keep else 'remove'} {label} at {limit}, line feed as {newline!r}"
    changed = sum(kept != plain for (kept, _), (plain, _) in zip(ours, tool.ask(texts, *spec)))
    print(f"{what}: scores differ by at most {worst:.1e}; on the texts as they are, {changed} decisions are others")
    return report(what, texts, decisions, [kept for kept, _ in ours], near) + (worst > NEAR)


def write_linear(path, vectorizer, weights, bias, **more):
    record = {"v": 1, "type": "linear", "terms": vectorizer.get_feature_names_out().tolist(), "weights": weights, "bias": bias}
    with open(path, "w") as out:
        json.dump(record | more, out)
    return path


def compare_linear(tool, documents, texts):
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3)
    languages = [document["language"] in ("en", "de", "fr") for document in documents]
    model = LogisticRegression().fit(vectorizer.fit_transform([document["text"] for document in documents]), languages)
    path = write_linear(os.path.join(tool.folder, "linear.json"), vectorizer, model.coef_[0].tolist(), float(model.intercept_[0]),
                        idf=vectorizer.idf_.tolist(), tf="log", norm="l2", ngrams=[1, 2])
    ours, theirs = [], []
    for _ in range(3):
        tool.ask([document["text"] for document in documents], "--score", "s=linear:" + path)
        ours.append(tool.seconds)
        start = time.process_time()
        model.predict_proba(vectorizer.transform([document["text"] for document in documents]))
        theirs.append(time.process_time() - start)
    print(f"linear, {len(documents)} documents: tokshard {sorted(ours)[1]:.2f} s, scikit-learn {sorted(theirs)[1]:.2f} s")
    vectors = vectorizer.transform(texts)
    scores = model.predict_proba(vectors)[:, 1]
    ours = tool.ask(texts, "--score", "s=linear:" + path, "--keep", "s>0.5")
    found = np.array([record["ballast"]["scores"]["s"] for _, record in ours])
    # As tests/unit/text/linear_model_test.cpp: roundings of both sums, and the slope of the sigmoid.
    sizes = abs(model.intercept_[0]) + abs(vectors) @ np.abs(model.coef_[0])
    bounds = (2 * (2 * np.diff(vectors.indptr) + 8) * 2.0 ** -53 * sizes) / 4 + 8 * 2.0 ** -53
    outside = int((np.abs(found - scores) > bounds).sum())
    print(f"linear, {len(vectorizer.idf_)} words and pairs: scores differ by at most {np.abs(found - scores).max():.1e}, "
          f"{outside} by more than rounding")
    return outside + report("linear, above 0.5", texts, (scores > 0.5).tolist(), [kept for kept, _ in ours],
                            (np.abs(scores - 0.5) < 1e-12).tolist())


def compare_words(tool):
    """Every assigned code point within a word, between capital sigmas, and at the end: the same words."""
    points = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    texts = [f"ab{c}cd \u03a3{c}\u03a3 x{c}" for c in points]
    vectorizer = CountVectorizer().fit(texts)
    words = len(vectorizer.get_feature_names_out())
    weights = (np.arange(words, dtype=np.int64) * 2654435761 % 2**40 + 1).tolist()  # sums tell words apart
    path = write_linear(os.path.join(tool.folder, "words.json"), vectorizer, weights, 0, output="raw")
    wanted = vectorizer.transform(texts) @ np.array(weights)
    found = [record["ballast"]["scores"]["s"] for _, record in tool.ask(texts, "--score", "s=linear:" + path)]
    different = [c for c, theirs, ours in zip(points, wanted.tolist(), found) if theirs != ours]
    print(f"words of scikit-learn, Unicode {unicodedata.unidata_version}: {len(points)} code points, {len(different)} differ "
          f"{[hex(ord(c)) for c in different[:10]]}")
    return len(different)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokshard")
    parser.add_argument("documents")
    args = parser.parse_args()
    with open(args.documents) as lines:
        documents = [json.loads(line) for line in lines]
    texts = [document["text"] for document in documents]
    texts += [text[-60:] for text in texts] + [text[-400:-370] for text in texts] + ODD
    texts = [text for text in texts if text]  # tokshard drops empty documents
    half = [(document["language"], document["text"][-2000:]) for document in documents[::2]]
    random.Random(5).shuffle(half)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        tool = Tokshard(args.tokshard, folder)
        plain = train(folder, "plain.bin", half, dim=16, minn=2, maxn=4, bucket=20000, epoch=20, lr=1.0)
        scripts = train(folder, "scripts.bin", [(f"{name.split('_')[0]}_{SCRIPTS.get(name, 'Latn')}", text) for name, text in half],
                        dim=16, minn=2, maxn=4, bucket=20000, epoch=20, lr=1.0, loss="hs")
        letters = [sum(c.islower() for c in text) / (len(text) + 1) for _, text in half]
        quality = train(folder, "quality.bin", [("good" if share > np.median(letters) else "poor", text)
                                                for share, (_, text) in zip(letters, half)], dim=8, wordNgrams=2, bucket=20000, epoch=3, lr=0.5)
        for languages in (None, ["de", "fr", "ja"]):
            for threshold in (0.3, 0.65):
                wrong += compare_languages(tool, plain, texts, "ft176", languages, threshold)
        wrong += compare_languages(tool, scripts, texts, "glotlid", ["de_Latn", "zh_Hant"], 0.4)
        for keep, newline in ((True, " "), (False, " "), (True, "")):
            for limit in (0.5, 0.7):
                wrong += compare_scores(tool, quality, texts, "good", limit, keep, newline)
        wrong += compare_linear(tool, documents, texts) + compare_words(tool)
    sys.exit(1 if wrong else 0)


main()
