"""The mean of encoders that were fitted from one model: python3 models/mean_of_encoders.py OUT MODEL...

Only the fitted layers differ; their weights are unpacked, averaged, and packed again. Needs numpy.
"""
import struct
import sys

import numpy as np


def read(path):
    """The bytes of a file, and where each tensor stands: kind, count, offset, size."""
    raw = open(path, "rb").read()
    pos = 8 + 28 + 8
    (pieces,) = struct.unpack_from("<i", raw, pos)
    pos += 4 + 16
    (blob,) = struct.unpack_from("<Q", raw, pos)
    pos += 8 + 4 * (pieces + 1) + 4 * pieces + blob
    _, skipped = struct.unpack_from("<iI", raw, pos)
    pos += 8 + skipped
    (count,) = struct.unpack_from("<i", raw, pos)
    pos += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", raw, pos)
        pos += 2
        name = raw[pos : pos + length].decode()
        pos += length
        tensors[name] = (raw[pos], *struct.unpack_from("<IQQ", raw, pos + 1))
        pos += 21
    return raw, tensors


def values(raw, tensor):
    kind, _, offset, size = tensor
    if kind != 8:
        return np.frombuffer(raw, "<f4", size // 4, offset)
    blocks = np.frombuffer(raw, np.uint8, size, offset).reshape(-1, 34)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    return blocks[:, 2:].copy().view(np.int8).astype(np.float32) * scale


def packed(x):
    """Blocks of 32 weights of eight bits, each with its scale."""
    scale = (np.abs(x).max(1) / 127).astype("<f2")
    by = np.where(scale == 0, 1, scale).astype(np.float32)
    whole = np.clip(np.round(x / by[:, None]), -127, 127).astype(np.int8)
    return np.concatenate([scale.view(np.uint8).reshape(-1, 2), whole.view(np.uint8)], 1).tobytes()


out, *paths = sys.argv[1:]
models = [read(path) for path in paths]
result = bytearray(models[0][0])
for name, tensor in models[0][1].items():
    kind, _, offset, size = tensor
    if not (name.startswith("l") and name[1].isdigit()):
        continue
    mean = np.mean([values(raw, tensors[name]) for raw, tensors in models], 0)
    data = packed(mean) if kind == 8 else mean.astype("<f4").tobytes()
    assert len(data) == size, name
    result[offset : offset + size] = data
open(out, "wb").write(result)
