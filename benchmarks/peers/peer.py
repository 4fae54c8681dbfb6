"""What a peer is: a library that computes a case, in a process of its own."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.suite import Case

Variants = dict[str, Callable[[], Any]]
"""Ways in which a library can compute the same; the fastest counts. A call returns when its result is complete."""


class UnsupportedError(Exception):
    """The library cannot do the case; the message says what it lacks."""


class Peer(abc.ABC):
    """A library. Data is laid out as the library likes it before the clock starts."""

    version = ""

    @abc.abstractmethod
    def forward(self, case: Case) -> Variants:
        """Calls that compute the output.

        Raises:
            UnsupportedError: The library cannot do the case.
        """

    def training(self, case: Case) -> Variants:
        """Calls that compute the gradients of Σ y² for input and weights, for which the output is needed too.

        Raises:
            UnsupportedError: The library cannot do the case.
        """
        raise UnsupportedError("has no gradients")

    @abc.abstractmethod
    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        """What a call returned, as arrays laid out as `Case` says: (output,) or (input gradient, kernel gradient)."""

    def details(self, case: Case, direction: str) -> dict[str, Any]:
        """What the library tells about how it does the case, such as its algorithm; for the record."""
        return {}

    def peak(self) -> float:
        """Multiply-adds a second that one core can do, measured now.

        Raises:
            UnsupportedError: The library does not tell.
        """
        raise UnsupportedError("does not measure the peak")


def channels_first(a: np.ndarray) -> np.ndarray:
    """(batch, *space, channels) as (batch, channels, *space)."""
    return np.ascontiguousarray(np.moveaxis(a, -1, 1))


def filters_first(w: np.ndarray) -> np.ndarray:
    """Weights (*kernel, inner, outer) as (outer, inner, *kernel); the same turns a transposed case's."""
    return np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))


def over_two_axes(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Input and weights of a case; with one spatial axis, as an image with a height of 1."""
    x, w = case.data()
    return (x, w) if case.rank == 2 else (x[:, None], w[None])


def two(case: Case, entries: tuple[Any, ...], first: Any) -> tuple[Any, ...]:
    """One entry for each of two axes; `first` is that of a height of 1."""
    return entries if case.rank == 2 else (first, *entries)
