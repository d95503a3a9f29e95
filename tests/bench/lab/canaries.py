"""Texts to be learnt by heart: words of the corpus in random order, planted a known number of times."""
import json
import os
import random

REPEATS = (0, 1, 4, 16, 64)  # 0: asked for, but never shown
PER_GROUP = 8
WORDS = 160


def plant(docs, folder):
    """Writes FOLDER/canaries.jsonl (each once, with its `repeats`) and FOLDER/planted.jsonl (as often); returns the latter."""
    words = set()
    with open(docs, encoding="utf-8") as lines:
        for line in lines:
            words.update(w for w in json.loads(line)["text"].split() if w.isascii() and w.isalpha() and 3 <= len(w) <= 9)
            if len(words) > 2000:
                break
    words = sorted(words)
    rng = random.Random(7)
    planted = os.path.join(folder, "planted.jsonl")
    with open(os.path.join(folder, "canaries.jsonl"), "w") as asked, open(planted, "w") as shown:
        for repeats in REPEATS:
            for i in range(PER_GROUP):
                text = " ".join(rng.choices(words, k=WORDS))
                asked.write(json.dumps({"id": f"canary-{repeats}-{i}", "repeats": repeats, "text": text}) + "\n")
                for k in range(repeats):
                    shown.write(json.dumps({"id": f"canary-{repeats}-{i}-{k}", "text": text}) + "\n")
    return planted
