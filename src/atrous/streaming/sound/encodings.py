"""How a sample of sound is stored: integers of 16, 24 or 32 bits, or floats."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Samples = np.ndarray[Any, np.dtype[Any]]
"""(time, channels) float32, in −1 … 1."""


class Encoding(NamedTuple):
    """How a sample is stored, little-endian."""

    width: int
    """Bytes."""
    subtype: str
    """Its name in libsndfile."""
    tag: int
    """Its format tag in WAV: 1 for integers, 3 for floats."""


ENCODINGS = {
    "s16": Encoding(2, "PCM_16", 1),
    "s24": Encoding(3, "PCM_24", 1),
    "s32": Encoding(4, "PCM_32", 1),
    "f32": Encoding(4, "FLOAT", 3),
}


def decode(data: bytes, encoding: str) -> Samples:
    """Samples in −1 … 1, float32, of bytes: integers are divided by 2^(bits − 1)."""
    if encoding == "f32":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if encoding == "s24":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return np.asarray(wide.view("<i4")[:, 0] / 2**31, np.float32)
    width = ENCODINGS[encoding].width
    return np.asarray(np.frombuffer(data, f"<i{width}") / 2 ** (8 * width - 1), np.float32)


def quantize(samples: Samples, encoding: str) -> Samples:
    """The inverse of `decode`, as numbers: rounded and clipped to what the encoding can store; 24 bits are the upper of 32."""
    if encoding == "f32":
        return samples.astype("<f4")
    width = ENCODINGS[encoding].width
    scale = 2.0 ** (8 * width - 1)
    whole = np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1)
    return (whole * 256).astype("<i4") if width == 3 else whole.astype(f"<i{width}")


def encode(samples: Samples, encoding: str) -> bytes:
    """The inverse of `decode`."""
    stored = np.ascontiguousarray(quantize(samples, encoding))
    return stored.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes() if encoding == "s24" else stored.tobytes()


def parse_encoding(name: str) -> str:
    """Checks the name of an encoding."""
    if name not in ENCODINGS:
        raise ValueError(f"`encoding` must be one of {', '.join(ENCODINGS)}. Received: encoding={name!r}.")
    return name
