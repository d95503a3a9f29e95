"""A reader of Megatron's .bin/.idx by numpy, from the published layout alone: magic, version, type code, counts, int32
lengths, int64 byte offsets, int64 document borders."""
import struct

import numpy

TYPES = {1: numpy.uint8, 2: numpy.int8, 3: numpy.int16, 4: numpy.int32, 5: numpy.int64, 6: numpy.float64, 7: numpy.float32,
         8: numpy.uint16}


def read_shard(prefix):
    """Its documents, as arrays of token ids."""
    with open(prefix + ".idx", "rb") as index:
        assert index.read(9) == b"MMIDIDX\x00\x00"
        version, code, sequences, documents = struct.unpack("<QBQQ", index.read(25))
        assert version == 1
        lengths = numpy.frombuffer(index.read(4 * sequences), "<i4")
        offsets = numpy.frombuffer(index.read(8 * sequences), "<i8")
        borders = numpy.frombuffer(index.read(8 * documents), "<i8")
        assert not index.read(1)
    tokens = numpy.fromfile(prefix + ".bin", numpy.dtype(TYPES[code]).newbyteorder("<"))
    size = tokens.itemsize
    assert borders[0] == 0 and borders[-1] == sequences
    pieces = [tokens[o // size:o // size + n] for o, n in zip(offsets, lengths)]
    return [numpy.concatenate(pieces[a:b]) if b - a != 1 else pieces[a] for a, b in zip(borders[:-1], borders[1:])]
