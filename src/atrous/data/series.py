"""Series in time: CSV in, equally spaced values out, split by time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.tables import Columns, Rows, read_table
from atrous.data.timestamps import Grid, regular

SHARES = {"test": (0.2, 100), "validation": (0.1, 50)}
"""Of a series, the part that origins are taken from, and their largest number."""
_NOT_FOUND = "`data` must be a CSV file or a folder of them, with a column of timestamps. Received: data={!r}, {}."


@dataclass(frozen=True)
class Series:
    """One series on a grid of equal steps.

    Args:
        name: Of the series.
        file: Where it comes from.
        grid: The steps.
        start: Time of the first.
        values: (steps,), missing ones NaN; the last one isn't missing.
        known: (steps or more, covariates): they may go on where values end.
    """

    name: str
    file: str
    grid: Grid
    start: Any
    values: NDArray[np.float64]
    known: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def times(self, first: int = 0, last: int | None = None) -> Any:
        """Times of steps, a `pandas.DatetimeIndex`; steps may lie behind the last value."""
        return self.grid.times(self.start, np.arange(first, len(self) if last is None else last))

    @property
    def filled(self) -> NDArray[np.float64]:
        """The values, each missing one as the last before it; none of them knows a later one but those before the first."""
        there = np.maximum.accumulate(np.where(np.isnan(self.values), -1, np.arange(len(self))))
        first = int(np.argmax(~np.isnan(self.values)))
        return self.values[np.where(there < 0, first, there)]


@dataclass(frozen=True)
class SeriesPart:
    """Part of all series: for training a stretch from which windows are cut, for validation and test origins of forecasts.

    Args:
        series: The whole series: what lies before the part may be looked at.
        bounds: Of each series, the first step of the part and the one behind its last.
        trained: Of each series, the steps of the training part: what errors are scaled by.
        horizon: Steps of a forecast.
        stride: Steps between origins.
        windows: Number of examples, if it isn't that of the origins: windows drawn in an epoch of training.
    """

    series: tuple[Series, ...]
    bounds: tuple[tuple[int, int], ...]
    trained: tuple[int, ...]
    horizon: int
    stride: int
    windows: int | None = None

    def __len__(self) -> int:
        return sum(len(self.origins(i)) for i in range(len(self.series))) if self.windows is None else self.windows

    def origins(self, index: int) -> NDArray[np.int64]:
        """Steps of a series from which it is forecast: the first step that isn't known there."""
        first, last = self.bounds[index]
        return np.arange(first, last - self.horizon + 1, self.stride)


@dataclass(frozen=True)
class SeriesData:
    """Series of one step, and their parts.

    Args:
        name: Of the data set.
        series: All of them.
        grid: Their steps.
        known: Names of covariates that are known in advance.
        train: What weights are fitted to.
        validation: What the best epoch is chosen by.
        test: What is looked at once.
        notes: What was found in the files and done about it.
        skipped: Files and series left out, and why.
        kind: What a recipe is chosen by.
    """

    name: str
    series: tuple[Series, ...]
    grid: Grid
    known: tuple[str, ...]
    train: SeriesPart
    validation: SeriesPart
    test: SeriesPart
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    kind: str = ""


def read_series(
    source: str | Path, columns: Columns, strict: bool = False, grid: Grid | None = None
) -> tuple[list[Series], list[str], list[tuple[str, str]]]:
    """Reads the series of a CSV file, or of all in a folder; nothing is written there.

    Args:
        source: File or folder.
        columns: What is known of the columns.
        strict: Whether what can't be read is an error.
        grid: The steps that are wanted; by default those of the first series.

    Returns:
        The series, what is to be said of them, and what was left out, with the reason.

    Raises:
        ValueError: Nothing can be read, or with `strict` something can't.
        FileNotFoundError: There is no such file or folder, or no CSV in it.
    """
    path = Path(source)
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise FileNotFoundError(
            _NOT_FOUND.format(str(source), "a folder without any" if path.exists() else "which isn't there")
        )
    series: list[Series] = []
    notes: list[str] = []
    skipped: list[tuple[str, str]] = []
    mistakes: list[ValueError] = []
    for file in files:
        try:
            tables, said = read_table(file, columns)
        except ValueError as error:
            mistakes.append(error)
            skipped.append((file.name, str(error)))
            continue
        notes += said
        for rows in tables:
            try:
                found, said = _on_grid(rows, file, grid or (series[0].grid if series else None))
            except ValueError as error:
                mistakes.append(error)
                skipped.append((rows.where, str(error)))
                continue
            series.append(found)
            notes += said
    if mistakes and (strict or not series or len(mistakes) == 1 == len(files)):
        raise mistakes[0]
    names = [each.name for each in series]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Series must have different names. Received: {twice!r} in several files of {str(source)!r}.")
    return series, notes, skipped


def split(
    name: str,
    series: Sequence[Series],
    known: tuple[str, ...],
    horizon: int,
    stride: int,
    least: int,
    windows: int,
    notes: Sequence[str] = (),
    skipped: Sequence[tuple[str, str]] = (),
    strict: bool = False,
) -> SeriesData:
    """Splits series in time: the end is the test, before it validation, and before that training; nothing is drawn.

    The test part has as many origins as horizons fit in a fifth of a series, at most 100, and at least one; validation as many
    as in a tenth, at most 50.

    Args:
        name: Of the data set.
        series: All of them.
        known: Names of covariates.
        horizon: Steps of a forecast.
        stride: Steps between origins.
        least: Steps that training needs.
        windows: Examples of an epoch.
        notes: What is to be said.
        skipped: What was left out so far.
        strict: Whether a series that is too short is an error.

    Raises:
        ValueError: All series are too short, or with `strict` one is.
    """
    kept: list[Series] = []
    bounds: dict[str, list[tuple[int, int]]] = {"train": [], "validation": [], "test": []}
    out = list(skipped)
    for each in series:
        counts = {part: max(1, min(round(share * len(each) / horizon), most)) for part, (share, most) in SHARES.items()}
        test = len(each) - counts["test"] * horizon
        validation = test - counts["validation"] * horizon
        if validation < least:
            why = (
                f"{each.name} must have at least {least + 2 * horizon:,} steps: {least:,} to train on (look-back and horizon) "
                f"and a horizon of {horizon} each for validation and test. Received: {len(each):,} steps, of which "
                f"{max(validation, 0):,} are left for training. Lower --horizon or --look-back."
            )
            if strict or (len(series) == 1):
                raise ValueError(why)
            out.append((each.name, why))
            continue
        if not _is_known(each, (0, validation, test, len(each))):
            why = (
                f"A series must have values in each part. Received: {each.name} with none in one of its {validation:,} steps "
                f"for training, {test - validation:,} for validation and {len(each) - test:,} for the test."
            )
            if strict or len(series) == 1:
                raise ValueError(why)
            out.append((each.name, why))
            continue
        kept.append(each)
        for part, bound in zip(bounds, ((0, validation), (validation, test), (test, len(each))), strict=True):
            bounds[part].append(bound)
    if not kept:
        raise ValueError(f"None of {len(series)} series can be trained on. {out[-1][1]}")
    trained = tuple(last for _, last in bounds["train"])
    train, validation_, test_ = (
        SeriesPart(tuple(kept), tuple(each), trained, horizon, stride, windows if part == "train" else None)
        for part, each in bounds.items()
    )
    return SeriesData(
        name,
        tuple(kept),
        kept[0].grid,
        known,
        train,
        validation_,
        test_,
        tuple(notes),
        tuple(out),
    )


def _is_known(series: Series, ends: Sequence[int]) -> bool:
    """Whether there is a value between each two steps."""
    there = ~np.isnan(series.values)
    return all(there[first:last].any() for first, last in itertools.pairwise(ends))


def _on_grid(rows: Rows, file: Path, grid: Grid | None) -> tuple[Series, list[str]]:
    """A series of its rows, and what is to be said.

    Raises:
        ValueError: It has no value, other steps than the others, or the rows contradict each other.
    """
    there = ~np.isnan(rows.values)
    if not there.any():
        raise ValueError(f"A series must have values. Received: {rows.where} with {len(rows.values)} empty ones.")
    found = regular(rows.times, np.column_stack([rows.values, rows.known]), rows.where)
    if grid is not None and found.grid != grid:
        raise ValueError(
            f"All series must have the same step, {grid.name}. Received: {rows.where}, where it is {found.grid.name}."
        )
    at = found.rows
    values = np.where(at >= 0, rows.values[at], np.nan)
    known = np.where(at[:, None] >= 0, rows.known[at], np.nan)
    first, last = np.flatnonzero(~np.isnan(values))[[0, -1]]
    start = found.grid.times(found.start, np.array([first]))[0]
    series = Series(rows.name, str(file), found.grid, start, values[first : last + 1], known[first:])
    return series, [*found.notes, *_value_notes(series, rows.where)]


def _value_notes(series: Series, where: str) -> list[str]:
    told = []
    empty = int(np.isnan(series.values).sum())
    if empty:
        told.append(f"{where}: {empty:,} of {len(series):,} values are missing; they count in no loss and no figure.")
    unknown = int(np.isnan(series.known[: len(series)]).any(axis=1).sum())
    if unknown:
        told.append(f"{where}: {unknown:,} of {len(series):,} steps lack a covariate; it is taken as 0 there.")
    if np.nanstd(series.values) == 0:
        told.append(f"{where}: the series is constant, {series.values[0]:g}; there is nothing to learn of it.")
    return told
