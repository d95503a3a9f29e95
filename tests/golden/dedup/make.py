#!/usr/bin/env python3
"""Writes minhash.json: what datatrove simplifies texts to, and the MinHash signatures it gives them.

    python3 tests/golden/dedup/make.py tests/golden/dedup

Needs datatrove with spaCy, and an xxhash that takes str (3.5). Texts are made of words of several scripts, numbers, punctuation, marks and contractions,
joined at random. A text of fewer than five words has no signature.
"""

import json
import pathlib
import random
import sys

from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.utils.text import simplify_text

SEED = 20251122
PIECES = (
    "The quick brown fox can't jump over 1,234.56 lazy dogs 3.14.15 don't cannot I'm gonna U.S. e.g. 10km 5pm Mr. "
    "ÉCOLE café naïve ÅNGSTRÖM Straße İstanbul ΟΔΥΣΣΕΥΣ ΣΑΣ aΣ Σ λόγος Привет ёлка й שָׁלוֹם العَرَبِيَّة ١٢٣٫٤٥ ۴۵ हिन्दी "
    "中文，字符。 １２３％ 日本語「引用」 한국어 각 ﬁne ™ ½ x² € «mot» “quote” ’tis … — – » ► ∶ ━ _under_score_ a/b [12] #tag "
    "@name http://example.org/a?b=c me@example.org \u0001ctl\u007f \u00a0 \u2003 \u200b \u3000 e\u0301 \u0301 \u302e가 "
    "\ud834\udd5e \ud83d\ude00 \U0001F468\u200d\U0001F469 \U000E0101 \u037e \u1fef \u212b \u2126"
).encode("utf-16", "surrogatepass").decode("utf-16").split(" ")


def text(rng, count):
    return "".join(rng.choice(PIECES) + rng.choice([" ", " ", " ", "  ", "\n", "", ", "]) for _ in range(count))


def main():
    rng = random.Random(SEED)
    step = MinhashDedupSignature(output_folder="/tmp", config=MinhashConfig())
    a, b = step.parameters
    simplified = [text(rng, rng.randrange(1, 14)) for _ in range(150)] + PIECES + ["", " ", "\n"]
    signed = []
    for count in (1, 4, 5, 8, 20, 40, 80):
        made = text(rng, count)
        shingles = step.get_shingles(made)
        signature = [v for band in step.get_signature(shingles) for v in band] if shingles.size else []
        signed.append({"text": made, "shingles": len(shingles), "signature": [str(v) for v in signature]})
    out = {
        "a": [str(v) for v in a[0]],
        "b": [str(v) for v in b[0]],
        "simplified": [[t, simplify_text(t)] for t in simplified],
        "signed": signed,
    }
    path = pathlib.Path(sys.argv[1]) / "minhash.json"
    path.write_text(json.dumps(out, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
