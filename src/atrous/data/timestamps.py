"""Timestamps as people write them, and the regular grid that they stand for; what had to be done is said."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.pandas import pandas

_DAY = 86400.0  # seconds
_NAMED = 3  # timestamps that a sentence names


@dataclass(frozen=True)
class Grid:
    """Equal steps in time: of so many seconds, or of so many months.

    Args:
        seconds: Length of a step; of months, their mean.
        months: 0 for steps of seconds.
        month_end: Whether steps of months lie on the last day of a month.
    """

    seconds: float
    months: int = 0
    month_end: bool = False

    @property
    def name(self) -> str:
        """As people say it.

        >>> Grid(1800.0).name, Grid(86400.0).name, Grid(12 * 2629746.0, 12).name
        ('30 minutes', '1 day', '1 year')
        """
        if self.months:
            return _count(self.months // 12, "year") if self.months % 12 == 0 else _count(self.months, "month")
        for unit, length in (("week", 7 * _DAY), ("day", _DAY), ("hour", 3600.0), ("minute", 60.0)):
            if self.seconds % length == 0:
                return _count(round(self.seconds / length), unit)
        return f"{self.seconds:g} seconds"

    def places(self, times: Any, start: Any) -> NDArray[np.float64]:
        """How many steps each time lies behind `start`; a fraction where it lies between two steps."""
        if not self.months:
            return np.asarray((times - start).total_seconds(), float) / self.seconds
        months = 12 * (times.year - start.year) + times.month - start.month
        return np.asarray(months, float) / self.months

    def times(self, start: Any, places: NDArray[np.int64]) -> Any:
        """The time of each place, a `pandas.DatetimeIndex`."""
        pd = pandas()
        if not self.months:
            return start + pd.to_timedelta(np.asarray(places, np.int64) * round(self.seconds * 1e9), unit="ns")
        first = start.replace(day=1) if self.month_end else start
        every = pd.DatetimeIndex([first + pd.DateOffset(months=int(place) * self.months) for place in places])
        return every + pd.offsets.MonthEnd(0) if self.month_end else every


@dataclass(frozen=True)
class Regular:
    """Rows on a grid.

    Args:
        grid: The steps.
        start: The first time.
        rows: For each step the row that was there, or -1.
        notes: What was found and done.
    """

    grid: Grid
    start: Any
    rows: NDArray[np.int64]
    notes: tuple[str, ...]

    def times(self) -> Any:
        """Of each step."""
        return self.grid.times(self.start, np.arange(len(self.rows)))


def parse_times(texts: Any, where: str) -> tuple[Any, list[str]]:
    """Reads timestamps.

    Args:
        texts: A column of a table.
        where: How an error calls it: "load.csv, column 'timestamp'".

    Returns:
        A `pandas.DatetimeIndex` without zone, and what is to be said: times of several offsets are in UTC.

    Raises:
        ValueError: One can't be read, or some have an offset and some have not.
    """
    pd = pandas()
    if texts.isna().any():
        raise ValueError(f"Each row must have a timestamp. Received: {where}: none in row {int(np.argmax(texts.isna())) + 2}.")
    if pd.api.types.is_numeric_dtype(texts):
        if texts.between(1000, 9999).all() and (texts % 1 == 0).all():  # years
            texts = texts.astype(int).astype(str)
        else:
            raise ValueError(f"Timestamps must be dates such as 2024-01-31T13:00. Received: {where}: {texts.iloc[0]!r}.")
    words = texts.astype(str).str.strip()
    zoned = words.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True) & words.str.contains(":")
    if zoned.any() and not zoned.all():
        one, other = words[zoned].iloc[0], words[~zoned].iloc[0]
        raise ValueError(
            f"Either all timestamps must have a time zone or none. Received: {where}: {one!r} and {other!r}. "
            "Write all of them as local time, or all with their offset."
        )
    try:
        times = pd.to_datetime(words, utc=bool(zoned.any()), format="ISO8601")
    except (ValueError, TypeError):
        times = _other_form(pd, words, bool(zoned.any()), where)
    if not zoned.any():
        return pd.DatetimeIndex(times), []
    offsets = words.str.extract(r"(Z|[+-]\d\d:?\d\d)$")[0].unique()
    if len(offsets) == 1 and offsets[0] != "Z":
        text = offsets[0].replace(":", "")
        shift = pd.Timedelta(hours=int(text[:3]), minutes=int(text[0] + text[3:]))
        return pd.DatetimeIndex(times).tz_localize(None) + shift, []
    told = [f"Times have several offsets ({', '.join(map(str, offsets[:_NAMED]))}): they are taken as UTC."]
    return pd.DatetimeIndex(times).tz_localize(None), told if len(offsets) > 1 else []


def _other_form(pd: Any, words: Any, utc: bool, where: str) -> Any:
    """Dates that aren't ISO 8601, all of one form; 31/01/2024 says itself that the day is first."""
    try:
        times = pd.to_datetime(words, utc=utc, format="mixed", dayfirst=bool(words.str.match(r"(1[3-9]|2\d|3[01])\D").any()))
    except (ValueError, TypeError):
        bad = next(i for i, word in enumerate(words) if pd.isna(pd.to_datetime(word, errors="coerce", utc=True)))
        raise ValueError(
            f"Timestamps must be dates such as 2024-01-31T13:00. Received: {where}, row {bad + 2}: {words.iloc[bad]!r}."
        ) from None
    if words.str.match(r"\d{1,2}[/.]\d{1,2}[/.]\d{4}").all() and not words.str.match(r"(\d+\D)?(1[3-9]|2\d|3[01])\D").any():
        raise ValueError(
            f"Timestamps must say what is day and what is month. Received: {where}: {words.iloc[0]!r}. "
            "Write them as ISO 8601, such as 2024-01-31T13:00."
        )
    return times


def regular(times: Any, values: NDArray[Any], where: str, grid: Grid | None = None) -> Regular:
    """Puts rows on a grid: sorted, once each, with a step for every time between the first and the last.

    Args:
        times: A `pandas.DatetimeIndex`, a time for each row, in any order.
        values: (rows, …): what stands there; rows of one time must agree in it.
        where: How notes and errors call it.
        grid: The steps; by default the most frequent difference.

    Raises:
        ValueError: Two rows have one time and other values, or there are too few rows.
    """
    notes: list[str] = []
    order = np.argsort(times.asi8, kind="stable")
    if (np.diff(times.asi8) < 0).any():
        notes.append(f"{where}: rows were not in order of time; they are sorted.")
    order = _once(times, values, order, where, notes)
    if len(order) < 2:
        raise ValueError(f"A series must have at least two timestamps. Received: {where} with {len(order)}.")
    sorted_times = times[order]
    grid = grid or infer(sorted_times)
    exact = grid.places(sorted_times, sorted_times[0])
    places = np.round(exact).astype(np.int64)
    off = np.abs(exact - places) > 1e-6
    if off.any():
        notes.append(
            f"{where}: {_count(int(off.sum()), 'timestamp')} of {len(off):,} not a whole number of {grid.name} behind the "
            f"first, such as {sorted_times[int(np.argmax(off))]}; moved to the nearest step."
        )
    if (np.diff(places) == 0).any():
        at = int(np.argmax(np.diff(places) == 0))
        raise ValueError(
            f"Timestamps must be equally far apart. Received: {where}: mostly {grid.name}, but {sorted_times[at]} and "
            f"{sorted_times[at + 1]} are nearer. Average the values of each step first."
        )
    rows = np.full(places[-1] + 1, -1, np.int64)
    rows[places] = order
    found = Regular(grid, sorted_times[0], rows, ())
    notes += _gap_notes(found, where)
    return dataclasses.replace(found, notes=tuple(notes))


def infer(times: Any) -> Grid:
    """The grid of sorted times: their most frequent difference, months where they fall on one day of the month."""
    differences = np.diff(times.asi8).astype(float) / (
        1e9 if times.unit == "ns" else {"us": 1e6, "ms": 1e3, "s": 1.0}[times.unit]
    )
    lengths, counts = np.unique(differences, return_counts=True)
    step = float(lengths[np.argmax(counts)])
    if step >= 28 * _DAY:
        ends = times.is_month_end.all()
        if len(set(times.day)) == 1 or ends:
            months = np.diff(12 * np.asarray(times.year) + np.asarray(times.month))
            each, counts = np.unique(months, return_counts=True)
            most = int(each[np.argmax(counts)])
            return Grid(most * 365.2425 * _DAY / 12, most, bool(ends and len(set(times.day)) > 1))
    return Grid(step)


def _once(times: Any, values: NDArray[Any], order: NDArray[np.int64], where: str, notes: list[str]) -> NDArray[np.int64]:
    """The order without rows that say again what another says.

    Raises:
        ValueError: They say something else.
    """
    again = np.flatnonzero(np.diff(times.asi8[order]) == 0)
    if not len(again):
        return order
    first, second = values[order[again]], values[order[again + 1]]
    other = ~((first == second) | (_missing(first) & _missing(second))).reshape(len(again), -1).all(axis=1)
    if other.any():
        named = ", ".join(str(times[order[i]]) for i in again[other][:_NAMED])
        clock = " Is it the hour when clocks go back? Then write times with their offset (+01:00)." * _autumn(
            times[order[again[other]]]
        )
        raise ValueError(
            f"A timestamp must stand once in a series. Received: {where}: {_count(int(other.sum()), 'timestamp')} twice, with "
            f"different values: {named}{', …' * (int(other.sum()) > _NAMED)}. If they are several series, name the column that "
            f"tells them apart: --series COLUMN.{clock}"
        )
    notes.append(f"{where}: {_count(len(again), 'row')} stood there twice, with the same values; one of each is kept.")
    return np.delete(order, again + 1)


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)


def _gap_notes(found: Regular, where: str) -> list[str]:
    """Steps without a row; and whether they look like clocks put forward."""
    empty = np.flatnonzero(found.rows < 0)
    if not len(empty):
        return []
    times = found.grid.times(found.start, empty)
    runs = 1 + int((np.diff(empty) > 1).sum())
    told = [
        f"{where}: {_count(len(empty), 'step')} of {found.grid.name} had no row, in {_count(runs, 'gap')}, the first at "
        f"{times[0]}; they are missing values."
    ]
    if found.grid.seconds <= 3600 and _spring(times):
        told.append(f"{where}: the gap at {times[0]} looks like clocks put forward; times are taken as the clock shows them.")
    return told


def _spring(times: Any) -> bool:
    """Whether a gap is an hour of a night of Sunday in March or April."""
    return bool(((times.day_of_week == 6) & np.isin(times.month, (3, 4)) & (times.hour <= 3)).any())


def _autumn(times: Any) -> bool:
    return bool(((times.day_of_week == 6) & np.isin(times.month, (9, 10, 11)) & (times.hour <= 3)).all())


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
