#!/usr/bin/env python3
"""Time and memory of tokenizer_bench on single documents made to be hard: seconds of CPU time at 1, 10 and 100 MB, growth of the time per
tenfold text, and the largest resident set beyond that of an empty document.

    tokenizer_worst.py BIN_DIR SCRATCH TOKENIZER...
"""
import json
import os
import random
import subprocess
import sys

MEGABYTE = 1000000


def repeated(unit, size):
    return (unit * (size // len(unit) + 1))[:size // len(unit) * len(unit)]


def letters(count):
    rng = random.Random(1)
    return lambda size: repeated("".join(rng.choices("abcdefghijklmnopqrstuvwxyz"[:count], k=MEGABYTE)).encode(), size)


SHAPES = {
    "one word of one letter": lambda size: repeated(b"a", size),
    "one word of random letters": letters(26),
    "one word of two letters": letters(2),
    "zero bytes": lambda size: repeated(b"\0", size),
    "spaces": lambda size: repeated(b" ", size),
    "line breaks": lambda size: repeated(b"\n", size),
    "spaces and line breaks": lambda size: repeated(b" \n", size),
    "alternating letters": lambda size: repeated(b"ab", size),
    "letters and apostrophes": lambda size: repeated(b"'s", size),
    "equals and minus": lambda size: repeated(b"=-", size),
    "upper and lower case": lambda size: repeated(b"aB", size),
    "digits": lambda size: repeated(b"7", size),
    "one combining mark": lambda size: repeated("\u0301".encode(), size),
    "marks out of order": lambda size: repeated("\u0301\u0323".encode(), size),
    "one Chinese word": lambda size: repeated("\u7684".encode(), size),
    "less-than signs": lambda size: repeated(b"<s", size),
}


def measure(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: status {status}")
    return json.loads(out), usage.ru_maxrss / 1000


def main():
    bench, scratch = os.path.join(sys.argv[1], "tokenizer_bench"), sys.argv[2]
    path = os.path.join(scratch, "worst.txt")
    for tokenizer in sys.argv[3:]:
        with open(path, "wb") as out:
            out.write(b"a")
        _, idle = measure([bench, tokenizer, path, "1", "1"])
        print(f"{os.path.basename(tokenizer)} ({idle:.0f} MB resident for one letter)")
        for name, make in SHAPES.items():
            seconds = []
            for megabytes in (1, 10, 100):
                with open(path, "wb") as out:
                    out.write(make(megabytes * MEGABYTE))
                result, resident = measure([bench, tokenizer, path, "1", "1"])
                seconds.append(result["cpu_seconds"][0])
            print(f"  {name}: {seconds[0]:.3f} {seconds[1]:.3f} {seconds[2]:.3f} s, "
                  f"x{seconds[1] / seconds[0]:.1f} x{seconds[2] / seconds[1]:.1f}, "
                  f"{(resident - idle) / 100:.1f} bytes per byte", flush=True)
    os.remove(path)


main()
