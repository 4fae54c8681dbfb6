"""What a network of WaveNet's kind takes and says, and drawing the next sample from that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from atrous.models.wavenet import HEADS, LEAST_LOG_SCALE, mu_law_compress, mu_law_decode, mu_law_encode, mu_law_expand

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Kind:
    """What a network takes and says.

    Args:
        head: `"categorical"`, `"logistics"` or `"regression"`, as of `atrous.models.WaveNet`.
        takes: `"codes"`: integers, `(batch, time)`. `"one-hot"`: the same as vectors, `(batch, time, classes)`. `"samples"`:
            `(batch, time, channels)`.
        channels: Values a sample; of codes 1.
        classes: Number of codes, where there are any; else 0.
        curve: Number of mu-law codes on whose curve the samples are that it takes and says, by the model's attribute `mu_law`;
            0: they are as they are.
    """

    head: str
    takes: str
    channels: int
    classes: int
    curve: int = 0

    @property
    def feeds_what_it_draws(self) -> bool:
        """Whether what is drawn needs no more than a table to be heard."""
        return self.draws_codes or self.takes == "samples"

    @property
    def draws_codes(self) -> bool:
        """Whether what is drawn are codes; else samples."""
        return self.head == "categorical"


def kind_of(model: keras.Model, head: str | None = None) -> Kind:
    """What a network takes and says, by the shapes of its first input and its output.

    | input | output | is |
    |---|---|---|
    | codes, integers | as many channels as the embedding has rows | categorical |
    | codes, integers | 1 channel | regression |
    | codes, integers | 3·m channels | a mixture of m logistics |
    | samples of 1 channel | 1 channel | regression |
    | samples of 1 channel | 3·m channels | a mixture of m logistics |
    | samples of 1 channel | any other number | categorical, of samples that `mu_law_encode` made codes of |
    | several channels | as many | one-hot codes or regression: `head` must say |

    Args:
        model: A model of one output with time.
        head: One of `"categorical"`, `"logistics"` and `"regression"`, where shapes leave it open or mislead.

    Raises:
        ValueError: It isn't known, or no such model.
    """
    if head is not None and head not in HEADS:
        raise ValueError(f"`head` must be one of {', '.join(map(repr, HEADS))}. Received: head={head!r}.")
    outputs = list(model.outputs)
    if len(outputs) != 1 or len(outputs[0].shape) != 3:
        shapes = [tuple(x.shape) for x in outputs]
        raise ValueError(f"`model` must have one output, (batch, time, channels). Received: outputs of shapes {shapes}.")
    fed, made = model.inputs[0], int(outputs[0].shape[-1])
    if len(fed.shape) == 2:
        classes = classes_of(model)
        found = head or ("categorical" if made == classes else "regression" if made == 1 else "logistics")
        kind = Kind(found, "codes", 1, classes)
    elif fed.shape[-1] == 1:
        found = head or ("regression" if made == 1 else "logistics" if made % 3 == 0 else "categorical")
        curve = 0 if found == "categorical" else int(getattr(model, "mu_law", None) or 0)
        kind = Kind(found, "samples", 1, made if found == "categorical" else 0, curve)
    elif head is None:
        raise ValueError(
            f"`head` must be given for a model of several channels: 'categorical' (one-hot codes) or 'regression'. "
            f"Received: an input of shape {tuple(fed.shape)}, an output of shape {tuple(outputs[0].shape)}."
        )
    else:
        one_hot = head == "categorical"
        kind = Kind(head, "one-hot" if one_hot else "samples", fed.shape[-1], made if one_hot else 0)
    if (
        kind.head == "categorical"
        and getattr(outputs[0]._keras_history.operation, "activation", None) is keras.activations.softmax
    ):
        raise ValueError("`model` must give logits, to be drawn from. Received: its last layer has activation='softmax'.")
    fits = {
        "categorical": made == {"codes": kind.classes, "one-hot": kind.channels, "samples": made}[kind.takes],
        "logistics": made % 3 == 0 and kind.channels == 1,
        "regression": made == kind.channels,
    }
    if not fits[kind.head]:
        raise ValueError(
            f"`model` must say as much as its next sample takes. Received: an input of shape {tuple(fed.shape)}, an output of "
            f"shape {tuple(outputs[0].shape)}, head={kind.head!r}."
        )
    return kind


def classes_of(model: keras.Model) -> int:
    """How many codes a model knows that takes them: rows of its first embedding.

    Raises:
        ValueError: There is no embedding.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Embedding):
            return int(layer.input_dim)
    raise ValueError(
        f"`model` must have an embedding for the codes that it takes. Received: model={model.name!r}, without any."
    )


def as_fed(drawn: Array, kind: Kind) -> Array:
    """What a network takes of what `generate` returns.

    Args:
        drawn: (batch, time) codes, or (batch, time, channels) samples.
        kind: Of the network.

    Returns:
        (batch, time) codes, or (batch, time, channels).
    """
    if kind.takes == "codes":
        return drawn.astype(np.int32) if kind.draws_codes else _numpy(mu_law_encode(drawn[..., 0], kind.classes))
    if not kind.draws_codes:
        return drawn.astype(np.float32)
    if kind.takes == "one-hot":
        return np.eye(kind.classes, dtype=np.float32)[drawn]
    return _numpy(mu_law_decode(drawn, kind.classes))[..., None]


def as_drawn(sound: Array, kind: Kind) -> Array:
    """Samples, (batch, time, 1), as `generate` returns them: what a primer must be."""
    if kind.draws_codes:
        return _numpy(mu_law_encode(sound[..., 0], kind.classes))
    return _numpy(mu_law_compress(sound, kind.curve)) if kind.curve else sound.astype(np.float32)


def as_sound(drawn: Array, kind: Kind) -> Array:
    """Samples, (batch, time, channels), of what `generate` returns."""
    if kind.draws_codes:
        return _numpy(mu_law_decode(drawn, kind.classes))[..., None]
    return _numpy(mu_law_expand(drawn, kind.curve)) if kind.curve else drawn


def _numpy(x: Any) -> Array:
    array: Array = keras.ops.convert_to_numpy(x)
    return array


class Sampler:
    """Draws from what a network says: a random number a step for codes, two for logistics."""

    def __init__(self, kind: Kind, temperature: float, seed: int, batch_size: int) -> None:
        self.kind, self.temperature = kind, temperature
        self.random = [Random(seed, sequence) for sequence in range(batch_size)]

    def draw(self, says: Array) -> Array:
        """Codes, (batch), or samples, (batch, channels), of what was said, (batch, channels)."""
        if self.kind.head == "regression":
            return says.astype(np.float32)
        says = says.astype(np.float64)
        if self.kind.head == "categorical":
            return self._chosen(says / (self.temperature or 1.0))
        logits, means, log_scales = np.split(says, 3, axis=-1)
        chosen = self._chosen(logits)[:, None]
        mean, log_scale = (np.take_along_axis(each, chosen, axis=-1) for each in (means, log_scales))
        u = self._uniform()
        spread = self.temperature * np.exp(np.maximum(log_scale, LEAST_LOG_SCALE)) * (np.log(u) - np.log1p(-u))
        return np.asarray(np.clip(mean + spread, -1, 1), np.float32)

    def _chosen(self, logits: Array) -> Array:
        """The first place at which the sum of the probabilities passes a random number; the likeliest at temperature 0."""
        u = self._uniform()
        if not self.temperature:
            return np.asarray(logits.argmax(axis=-1), np.int32)
        reached = np.cumsum(np.exp(logits - logits.max(axis=-1, keepdims=True)), axis=-1)
        return np.asarray((reached[:, :-1] <= u * reached[:, -1:]).sum(axis=-1), np.int32)

    def _uniform(self) -> Array:
        """A number a sequence, (batch, 1)."""
        return np.array([[random.uniform()] for random in self.random])


class Random:
    """Uniform numbers, the same that the native core draws: xoshiro256++ (Blackman & Vigna 2019, arXiv 1805.01407), seeded by
    splitmix64 for one sequence of a batch.
    """  # noqa: D205

    def __init__(self, seed: int, sequence: int) -> None:
        first, _ = _split(seed & _BITS)
        state = first + sequence & _BITS
        self.state = []
        for _ in range(4):
            word, state = _split(state)
            self.state.append(word)

    def uniform(self) -> float:
        """The next one, in (0, 1)."""
        a, b, c, d = self.state
        drawn = _rotated(a + d & _BITS, 23) + a & _BITS
        c, d = c ^ a, d ^ b
        self.state = [a ^ d, b ^ c, c ^ b << 17 & _BITS, _rotated(d, 45)]
        return ((drawn >> 12) + 0.5) * 2.0**-52


_BITS = 2**64 - 1


def _rotated(x: int, by: int) -> int:
    return (x << by | x >> 64 - by) & _BITS


def _split(state: int) -> tuple[int, int]:
    """splitmix64: a word, and the next state."""
    z = state = state + 0x9E3779B97F4A7C15 & _BITS
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _BITS
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _BITS
    return z ^ z >> 31, state
