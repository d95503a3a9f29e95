#!/usr/bin/env python3
"""Writes words.json and decisions.json: what datatrove's quality filters make of generated texts.

    python3 tests/golden/quality/make.py tests/golden/quality

Needs datatrove with spaCy. words.json holds strings with the words and the number of sentences that
datatrove cuts them into for English. decisions.json holds documents as places in a list of lines,
and for each set of rules the reason of the refusal, or the start of the SHA-256 of the text kept.
"""

import hashlib
import json
import pathlib
import random
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.word_tokenizers import load_word_tokenizer

SEED = 20251122
PLANS = {
    "gopher": [GopherQualityFilter()],
    "gopher-repetition": [GopherRepetitionFilter()],
    "c4": [C4QualityFilter()],
    "fineweb": [FineWebQualityFilter()],
    "gopher:min_doc_words=12,max_doc_words=120,max_avg_word_length=6,min_stop_words=0": [
        GopherQualityFilter(
            min_doc_words=12, max_doc_words=120, max_avg_word_length=6, min_stop_words=0
        )
    ],
    "gopher-repetition:dup_line_frac=off,dup_para_frac=0,dup_line_char_frac=off,"
    "dup_para_char_frac=off,top_2_gram=off,top_3_gram=off,top_4_gram=off": [
        GopherRepetitionFilter(
            dup_line_frac=None,
            dup_para_frac=0,
            dup_line_char_frac=None,
            dup_para_char_frac=None,
            top_n_grams=(),
        )
    ],
    "gopher-repetition,c4:filter_no_terminal_punct=off,min_num_sentences=2,gopher:min_doc_words=5,"
    "fineweb": [
        GopherRepetitionFilter(),
        C4QualityFilter(filter_no_terminal_punct=False, min_num_sentences=2),
        GopherQualityFilter(min_doc_words=5),
        FineWebQualityFilter(),
    ],
    "fineweb:line_punct_thr=0,char_duplicates_ratio=0.3,new_line_ratio=0.1": [
        FineWebQualityFilter(line_punct_thr=0, char_duplicates_ratio=0.3, new_line_ratio=0.1)
    ],
}

NOUNS = "harbour lamp river clock gardener engine bridge orchard ledger signal kettle winter".split()
VERBS = "keeps mends carries paints follows measures forgets answers turns lifts".split()
SMALL = "the a of and to that with have be in on it".split()
ODD = [
    "don't", "can't", "U.S.", "e.g.", "Mr.", "3.5", "10km", "$5", "50%", "co-operate", "--", "...",
    "http://example.com/a?b=c", "user@example.org", "(see", "Figure", "№", "#", "##", "•", "—",
    "cannot", "it's", "10:30", "and/or", "λόγος", "слово", "文", "٣", "x=y", "1,000", "C++", ":-)",
]
SPECIAL_LINES = [
    "", "  ", "\t", "Please enable JavaScript to read this page.", "We use cooKies on this site.",
    "Read our Privacy Policy before you go on.", "Lorem ipsum dolor sit amet and so on.",
    "void main() { return; }", "See [12] and [edit] here, all of it [citation needed].",
    "[1] [2] [3]", "A line of three.", "Short.", "Two words", "- first point of a list",
    "• second point of a list", "  - third point", "It goes on and on...", "And on and on…",
    "Ends with a quote, as some lines do.\"", "Здесь написано одно предложение.",
    "これは日本語の文です。", "Το κείμενο είναι εδώ;", "Is this a question?", "What a day that was!",
    "word " * 30 + "and the end of it.", "x" * 1001 + " is a word too long.", "x" * 1000 + " fits it.",
    "a.b c.d e.f g.h", "1 2 3 4 5 6 7 8 9 10 11 12", "# ## ### #### #####", "the the the the the the",
    "one\vtwo and three.", "one\ftwo and four.", "one\u2028two and five.", "caf\u00e9 au lait, please.",
    "\u00a0an indented line of text.", "trailing blanks stay here.   ", "Terms of use apply to you.",
    "It uses cookies.  ", "No end mark on this line, only words and the rest of them",
]
FRAGMENTS = [
    "km", "m/s", "US$", "°C.", "...", "..", "……", "…", "http://", "www.", "example.com", "a@b.org",
    "10.0.0.1", "8.8.8.8", ":8080", "/path?x=1", "-", "--", "---", "—", "——", "~", "+", "*", "^", ",",
    ".", "5", "10", "3.14", "A", "b", "Word", "word", "É", "é", "ß", "中文", "「", "」", "١", "²", "İ",
    "U.S.", "etc.", "\u00a0", "\u2028", "\x1c", "\x85", "\t", "\n", " ", "  ", "!", "?", "¿", "(", ")",
    "[", "]", "{", "}", "<", ">", "_", "#", "&", "$", "€", "%", "=", "😀", "©", "'s", "’s", "’", "\u0301",
    "Кб", "км/ч", " ", " ", "\u3000", "\ufeff", "\u200b", "𠀀", "🇫🇷",
]


def sentence(rng):
    words = []
    for _ in range(rng.randint(2, 14)):
        words.append(rng.choice(rng.choice([SMALL, NOUNS, VERBS, SMALL, NOUNS, ODD])))
    text = " ".join(words)
    return text[0].upper() + text[1:] + rng.choice([".", ".", ".", "!", "?", "...", "…", '"', ",", ""])


def documents(rng, lines):
    prose = list(range(len(SPECIAL_LINES), len(lines)))
    for _ in range(230):
        kind = rng.choice(["prose", "prose", "special", "repeated", "few", "any"])
        size = rng.randint(1, rng.choice([4, 12, 30]))
        picked = []
        for _ in range(size):
            if kind == "repeated" and picked and rng.random() < 0.4:
                picked.append(rng.choice(picked))
            elif kind == "few":
                picked.append(rng.choice(prose[:3]))
            elif kind == "special" and rng.random() < 0.7:
                picked.append(rng.randrange(len(SPECIAL_LINES)))
            elif kind == "any":
                picked.append(rng.randrange(len(lines)))
            else:
                picked.append(rng.choice(prose))
        yield rng.choice(["\n", "\n", "\n\n", "\n\n\n", "\r\n", " "]), picked


def decide(filters, text):
    document = Document(text=text, id="0")
    for rule in filters:
        verdict = rule.filter(document)
        if verdict is not True:
            return verdict[1].removeprefix("gopher_")
    return "kept " + hashlib.sha256(document.text.encode()).hexdigest()[:10]


def cut(tokenizer, text):
    ends = [end for _, end in tokenizer.span_tokenize(text)]
    sentences = len(list(zip([0] + ends[:-1], ends[:-1] + [len(text)])))
    return {"text": text, "words": tokenizer.word_tokenize(text), "sentences": sentences}


def dump(path, head, rows):
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    path.write_text(head + lines + "\n]}\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    rng = random.Random(SEED)
    tokenizer = load_word_tokenizer("en")
    rules = sorted(rule for rule in tokenizer.tokenizer.tokenizer.rules if rule.strip())
    texts = ["", *SPECIAL_LINES[:24], *SPECIAL_LINES[27:]]
    for _ in range(420):
        parts = rng.choices(FRAGMENTS + rng.sample(rules, 60), k=rng.randint(1, 9))
        texts.append("".join(parts))
    dump(folder / "words.json", '{"texts":[\n', [cut(tokenizer, text) for text in texts])

    lines = SPECIAL_LINES + [sentence(rng) for _ in range(60)]
    rows = []
    for separator, picked in documents(rng, lines):
        text = separator.join(lines[i] for i in picked)
        reasons = [decide(filters, text) for filters in PLANS.values()]
        rows.append({"separator": separator, "lines": picked, "decisions": reasons})
    head = {"plans": list(PLANS), "lines": lines}
    head = json.dumps(head, ensure_ascii=False, indent=0)[:-2] + ',\n"documents":[\n'
    dump(folder / "decisions.json", head, rows)


main()
