"""The nearest training series: by the distance of each step, or by dynamic time warping."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from atrous.data.ts import Values

_TOGETHER = 64  # training series that are warped at once: their lines stay in the cache


def euclidean(series: Values, others: Sequence[Values]) -> NDArray[np.float64]:
    """Squared distances of steps, summed over steps and channels: (n,).

    Args:
        series: (steps, channels), none missing.
        others: (steps, channels) each; those of another length are stretched to this one.
    """
    return np.array([((series - _stretched(other, len(series))).astype(np.float64) ** 2).sum() for other in others])


def warped(series: Values, others: Sequence[Values], window: float = 1.0) -> NDArray[np.float64]:
    """Dynamic time warping to each of several series, exact: the least sum of squared distances over all alignments, (n,).

    Steps of all channels are aligned together ("dependent", Shokoohi-Yekta et al. 2017, doi 10.1007/s10618-016-0455-0). With
    a window (Sakoe & Chiba 1978, doi 10.1109/TASSP.1978.1163055) steps i and j are aligned only if they are that near.

    Args:
        series: (steps, channels), none missing.
        others: Likewise, of any length.
        window: Share of the longer series that two aligned steps may be apart; of different lengths, apart from the diagonal.
    """
    found = np.empty(len(others))
    order = np.argsort([len(other) for other in others], kind="stable")
    for some in _groups(others, order, apart_matters=window < 1):
        longest = max(len(others[i]) for i in some)
        stacked = np.zeros((len(some), longest, series.shape[1]), np.float32)
        for row, i in zip(stacked, some, strict=True):
            row[: len(others[i])] = others[i]
        found[some] = _aligned(series, stacked, np.array([len(others[i]) for i in some]), window)
    return found


def _groups(others: Sequence[Values], order: NDArray[np.int64], apart_matters: bool) -> Iterator[NDArray[np.int64]]:
    """As many as are warped at once; of one length, if the window depends on it."""
    lengths = np.array([len(others[i]) for i in order])
    cuts = np.flatnonzero(np.diff(lengths)) + 1 if apart_matters else np.empty(0, np.int64)
    for rows in np.split(order, cuts):
        for start in range(0, len(rows), _TOGETHER):
            yield rows[start : start + _TOGETHER]


def _aligned(series: Values, others: Values, lengths: NDArray[np.int64], window: float) -> NDArray[np.float64]:
    """Of (count, steps, channels), filled up behind their ends: by diagonals, on each of which no cell depends on another.

    No cell depends on later steps either, so that what fills up a series doesn't change the cell where it ends.
    """
    n, m = len(series), others.shape[1]
    found = np.full(len(others), np.inf)
    apart = max(1.0, math.ceil(window * max(n, m))) if window < 1 else math.inf
    ours = np.ascontiguousarray(series.T)[:, :, None]  # (channels, n, 1)
    theirs = np.ascontiguousarray(others.transpose(2, 1, 0)[:, ::-1])  # (channels, m from the last, count)
    last = np.full((n + 1, len(others)), np.inf, np.float32)  # row i: the cell (i − 1, diagonal − i + 1)
    before = last.copy()
    before[0] = 0  # the corner before the first cell
    for diagonal in range(n + m - 1):
        first, end = max(0, diagonal - m + 1), min(n, diagonal + 1)
        if apart < math.inf:
            places = np.arange(first, end)
            near = np.flatnonzero(np.abs(places * (m - 1) / max(n - 1, 1) - (diagonal - places)) <= apart)
            if not len(near):  # the band is narrower than a step; its neighbours are joined by the other diagonals
                last, before = np.full_like(last, np.inf), last
                continue
            first, end = first + int(near[0]), first + int(near[-1]) + 1
        own = slice(m - 1 - diagonal + first, m - 1 - diagonal + end)
        cost = np.square(ours[0, first:end] - theirs[0, own])
        for ours_of, theirs_of in zip(ours[1:], theirs[1:], strict=True):
            cost += np.square(ours_of[first:end] - theirs_of[own])
        best = np.minimum(last[first:end], last[first + 1 : end + 1])
        cost += np.minimum(best, before[first:end], out=best)
        before[:] = np.inf
        before[first + 1 : end + 1] = cost
        last, before = before, last
        ended = lengths == diagonal - n + 2
        if ended.any():
            found[ended] = last[n, ended]
    return found


def _stretched(series: Values, steps: int) -> Values:
    if len(series) == steps:
        return series
    places = np.linspace(0, len(series) - 1, steps)
    return np.stack([np.interp(places, np.arange(len(series)), channel) for channel in series.T], axis=1).astype(np.float32)
