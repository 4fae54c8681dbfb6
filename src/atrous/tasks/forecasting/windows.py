"""Series as the network takes them: channels of each step, and windows of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.batches import ReadAhead
from atrous.data.seasons import calendar, naive_error
from atrous.data.series import Series, SeriesPart
from atrous.tasks.forecasting.plan import Plan

_ORIGINS = 256  # of a training window, at most

Window = NDArray[np.float32]


class Channels:
    """The channels of a series: value, whether it is known, calendar, covariates; see `atrous.models.forecaster`.

    A missing value is the last one before it, and known as missing. Before the first step all is missing.

    Args:
        series: The series.
        plan: Steps, calendar.
        steps: How many of its values may be looked at; by default all.
        ahead: Steps that are needed behind them.
    """

    def __init__(self, series: Series, plan: Plan, steps: int | None = None, ahead: int = 0) -> None:
        steps = len(series) if steps is None else steps
        self.front = plan.look_back
        total = steps + ahead
        values = series.values[:steps]
        filled = series.filled[:steps]
        rest = np.concatenate([calendar(series.times(0, total), plan.calendar), _known(series, total)], axis=1)
        self.rows = np.zeros((self.front + total, 2 + rest.shape[1]), np.float32)
        self.rows[: self.front, 0] = filled[0]
        self.rows[self.front : self.front + steps, 0] = filled
        self.rows[self.front + steps :, 0] = filled[-1]
        self.rows[self.front : self.front + steps, 1] = ~np.isnan(values)
        self.rows[self.front :, 2:] = rest

    def window(self, origin: int, origins: int, horizon: int) -> Window:
        """Steps for that many origins, the first of which is step `origin`: (look-back + origins − 1 + horizon, channels)."""
        window = self.rows[origin : origin + self.front + origins - 1 + horizon].copy()
        window[-horizon:, :2] = 0
        return window


def _known(series: Series, total: int) -> NDArray[np.float32]:
    known = np.zeros((total, series.known.shape[1]), np.float32)
    given = np.nan_to_num(series.known[:total])
    known[: len(given)] = given
    return known


class WindowBatches(ReadAhead):
    """Training batches, drawn from the training part at places that depend on seed, epoch and batch alone.

    A batch is (windows, targets, weights): (b, look-back + origins − 1 + horizon, channels), (b, origins, horizon), the same;
    weights are 0 where a value is missing, else 1 over the series' scale.

    Args:
        part: The training part.
        plan: Steps.
        batch_size: Windows a batch.
        seed: With the epoch it determines the places.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(self, part: SeriesPart, plan: Plan, batch_size: int, seed: int, prefetch: int | None = None) -> None:
        self.plan, self.seed = plan, seed
        horizon = plan.horizon
        self.lasts = [last for _, last in part.bounds]
        room = int(np.median(self.lasts)) - horizon - plan.look_back // 2
        self.origins = max(1, min(_ORIGINS, room, max(plan.look_back, 32)))
        ahead = self.origins - 1 + horizon
        self._channels = [Channels(each, plan, last, ahead) for each, last in zip(part.series, self.lasts, strict=True)]
        self._targets, self._weights = [], []
        for each, last in zip(part.series, self.lasts, strict=True):
            values = np.full(last + ahead, np.nan)
            values[:last] = each.values[:last]
            self._targets.append(np.nan_to_num(values).astype(np.float32))
            self._weights.append((~np.isnan(values) / naive_error(values[:last], plan.season)).astype(np.float32))
        self._first = [self._least(last) for last in self.lasts]
        self._shares = np.array(self.lasts) / sum(self.lasts)
        super().__init__(len(part), batch_size, seed, prefetch)

    def _least(self, last: int) -> int:
        """The first origin: half a look-back in, so that early steps are learnt from, too; what is before is missing."""
        return max(1, min(max(self.plan.base, self.plan.look_back // 2), last - self.plan.horizon - self.origins + 1))

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[Window, Window, Window]:
        count = min(self.batch_size, self.examples - index * self.batch_size)
        draw = np.random.default_rng((self.seed, epoch, index))
        found = [self._one(draw) for _ in range(count)]
        return tuple(np.stack(arrays) for arrays in zip(*found, strict=True))  # type: ignore[return-value]

    def _one(self, draw: np.random.Generator) -> Sequence[Window]:
        which = int(draw.choice(len(self.lasts), p=self._shares))
        horizon, first = self.plan.horizon, self._first[which]
        origin = int(draw.integers(first, max(first + 1, self.lasts[which] - horizon - self.origins + 2)))
        places = origin + np.arange(self.origins)[:, None] + np.arange(horizon)
        window = self._channels[which].window(origin, self.origins, horizon)
        return window, self._targets[which][places], self._weights[which][places]


def forecasts(model: Any, series: Series, plan: Plan, origins: NDArray[np.int64], batch_size: int = 64) -> NDArray[np.float32]:
    """What a model says at each origin of a series, (origins, horizon, quantiles), without seeing what lies behind it.

    Args:
        model: As `network.build` makes it.
        series: The series.
        plan: Steps.
        origins: The first step that isn't known, of each.
        batch_size: Windows that are computed together.
    """
    channels = Channels(series, plan, ahead=plan.horizon)
    said = []
    for start in range(0, len(origins), batch_size):
        windows = [channels.window(int(origin), 1, plan.horizon) for origin in origins[start : start + batch_size]]
        padded = windows + [windows[-1]] * (min(batch_size, len(origins)) - len(windows))  # one size, one graph
        said.append(np.asarray(model.predict_on_batch(np.stack(padded)))[: len(windows), 0])
    return np.concatenate(said)
