#!/usr/bin/env python3
"""Reads shards by numpy and by Megatron-LM's own IndexedDataset, and compares document by document. Not part of the tests:
needs megatron-core, torch and numpy.

    compare_shards.py PREFIX ...

Exit 0 when every document is the same.
"""
import sys

import numpy
from megatron.core.datasets.indexed_dataset import IndexedDataset

from megatron_layout import read_shard

wrong = 0
for prefix in sys.argv[1:]:
    ours, theirs = read_shard(prefix), IndexedDataset(prefix)
    documents = theirs.document_indices
    assert len(documents) - 1 == len(ours) == len(theirs), (len(documents), len(ours), len(theirs))
    different = sum(not numpy.array_equal(ours[i], theirs[i]) for i in range(len(ours)))
    print(f"{prefix}: {len(ours)} documents, {sum(map(len, ours))} tokens, {different} different")
    wrong += different
sys.exit(1 if wrong else 0)
