#!/usr/bin/env python3
"""Fits small linear models with scikit-learn, writes them as linear models of ballast-documents(5), and what scikit-learn says of
some texts (expected.jsonl): the score, and with it how large a sum of how many terms it is, which bounds its rounding.

    make_golden.py
"""
import json
import os
import random

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

FOLDER = os.path.dirname(os.path.abspath(__file__))
GOOD = "theorem proof river Größe bridge lecture façade careful water книга history light 日本語 number_2".split()
POOR = "click buy cheap now win free casino offer STRASSE viagra subscribe login best deal 2for1".split()
# Letters, marks, numbers and signs of many scripts, among them some that only look like letters or digits.
SIGNS = ("aZ9_éßſİıǅ ΣσςΆ Жж ա ק ש ا ١ ۳ ক ৩ ก ๓ ᄀ 가 ㍿ あ ア ー 一 三 億 々 〇 ² ½ Ⅷ ⅷ ① ㊿ ꙮ 𝟘 𝒜 𐐀 𐐨 𞤀 ª º ʰ ˈ ͅ ̈ ः ा ‿ ⁔ "
         "・ ’ - . 。 ª ๆ ๙ ༣ ៣ 〡 ㆒ 𐄇 𒐀 🄀 🅰 ⓐ Ⓐ ꜰ Ꭰ ꭰ Ა ა ẞ Ω K Å").split()
TEXTS = ["A careful proof of the theorem", "Click now: FREE casino!!", "größe façade КНИГА", "strasse Straße", "", "a b c",
         "buy buy buy theorem buy now", "日本語 日本語のテキスト", "number_2 2for1 light-water", "e\u0301tude win\u00a0win\r\nwin\x00win",
         "ΣΑΣ İstanbul river", "click here: casino offer casino offer", "the theorem's proof"]
MODELS = {  # file: vectorizer, model
    "counts.json": (CountVectorizer(), LogisticRegression()),
    "tfidf.json": (TfidfVectorizer(), LogisticRegression()),
    "pairs.json": (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, norm="l1", min_df=3), LogisticRegression()),
    "binary.json": (CountVectorizer(binary=True, lowercase=False, ngram_range=(2, 3), min_df=2), LinearSVC()),
    "raw.json": (TfidfVectorizer(norm=None, sublinear_tf=True), Ridge()),
    "scripts.json": (CountVectorizer(), LogisticRegression(C=0.01)),
}


def record_of(vectorizer, model):
    record = {"v": 1, "type": "linear", "note": f"{type(vectorizer).__name__}, {type(model).__name__}",
              "terms": vectorizer.get_feature_names_out().tolist(), "weights": np.ravel(model.coef_).tolist(),
              "bias": float(np.ravel(model.intercept_)[0])}
    if vectorizer.ngram_range != (1, 1):
        record["ngrams"] = list(vectorizer.ngram_range)
    if not vectorizer.lowercase:
        record["lower_case"] = False
    if vectorizer.binary:
        record["tf"] = "binary"
    if isinstance(vectorizer, TfidfVectorizer):
        record["idf"] = vectorizer.idf_.tolist()
        record["norm"] = vectorizer.norm or "none"
        if vectorizer.sublinear_tf:
            record["tf"] = "log"
    if not hasattr(model, "predict_proba"):
        record["output"] = "raw"
    return record


def scores_of(model, vectors):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(vectors)[:, 1]
    return model.decision_function(vectors) if hasattr(model, "decision_function") else model.predict(vectors)


def main():
    draw = random.Random(3)
    sentences = [" ".join(draw.choices(GOOD + POOR[:3], k=9)) for _ in range(60)] + [" ".join(draw.choices(POOR + GOOD[:3], k=9))
                                                                                   for _ in range(60)]
    strings = ["".join(draw.choices(SIGNS + [" "] * 20, k=40)) for _ in range(40)]
    with open(os.path.join(FOLDER, "expected.jsonl"), "w") as out:
        for name, (vectorizer, model) in MODELS.items():
            texts = strings if name == "scripts.json" else sentences
            labels = [i < len(texts) / 2 for i in range(len(texts))]
            model.fit(vectorizer.fit_transform(texts), labels)
            with open(os.path.join(FOLDER, name), "w") as file:
                json.dump(record_of(vectorizer, model), file, ensure_ascii=False, indent=1)
                file.write("\n")
            asked = strings[::2] + ["".join(draw.choices(SIGNS, k=60)) for _ in range(4)] if name == "scripts.json" else TEXTS
            vectors = vectorizer.transform(asked)
            sizes = np.abs(np.ravel(model.intercept_)[0]) + abs(vectors) @ np.abs(np.ravel(model.coef_))
            for text, score, size, row in zip(asked, scores_of(model, vectors), sizes, vectors):
                out.write(json.dumps({"model": name, "text": text, "score": float(score), "size": float(size),
                                      "terms": int(row.nnz)}) + "\n")


main()
