"""CSV files of series: which column is what, one or many series a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.pandas import pandas
from atrous.data.timestamps import parse_times

TIME_NAMES = ("timestamp", "time", "date", "datetime", "ds", "period", "month", "day", "hour", "week", "year")
VALUE_NAMES = ("value", "target", "y")
SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id")


@dataclass(frozen=True)
class Columns:
    """What a user says of columns; the rest is found by names and types.

    Args:
        time: The timestamps.
        target: What is forecast: one column, or several of one table, a series each.
        series: What tells the series of a long table apart.
        known: Covariates that are known for the future, too: holidays, planned prices.
    """

    time: str | None = None
    target: tuple[str, ...] = ()
    series: str | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """The rows of one series, as they stand in the file.

    Args:
        name: Of the series.
        where: How notes and errors call it.
        times: A `pandas.DatetimeIndex`.
        values: (rows,), missing ones NaN.
        known: (rows, covariates).
    """

    name: str
    where: str
    times: Any
    values: NDArray[np.float64]
    known: NDArray[np.float64]


def read_table(file: Path, columns: Columns) -> tuple[list[Rows], list[str]]:
    """Reads the series of a file, and what is to be said of it.

    Raises:
        ValueError: It can't be read, or which column is what can't be told, or a value is no number.
    """
    table = _read(file)
    time = _time_column(table, columns, file)
    times, notes = parse_times(table[time], f"{file.name}, column {time!r}")
    for name in columns.known:
        _number(table, name, file)
    known = table[list(columns.known)].to_numpy(float) if columns.known else np.zeros((len(table), 0))
    series = _series_column(table, columns, time, file)
    targets = _targets(table, columns, {time, series, *columns.known}, series is not None, file)
    notes = [f"{file.name}: {note}" for note in notes] + _ignored(table, {time, series, *columns.known, *targets}, file)
    if series is None:
        many = len(targets) > 1
        return [
            Rows(
                name if many else file.stem,
                f"{file.name}, {name}" if many else file.name,
                times,
                table[name].to_numpy(float),
                known,
            )
            for name in targets
        ], notes
    groups = table.groupby(table[series].astype(str), sort=True).indices
    values = table[targets[0]].to_numpy(float)
    rows = [Rows(str(name), f"{file.name}, {name}", times[at], values[at], known[at]) for name, at in groups.items()]
    return rows, notes


def _read(file: Path) -> Any:
    pd = pandas()
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            head = opened.readline()
        separator = max(",;\t|", key=head.count)
        table = pd.read_csv(file, sep=separator, encoding="utf-8-sig", skipinitialspace=True)
    except (UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"`data` must be CSV in UTF-8 with one line of names. Received: {str(file)!r}: {error}") from error
    table.columns = [str(name).strip() for name in table.columns]
    if not len(table):
        raise ValueError(f"`data` must have rows. Received: {str(file)!r} with a line of names alone.")
    return table


def _time_column(table: Any, columns: Columns, file: Path) -> str:
    if columns.time is not None:
        return _there(table, "time", columns.time, file)
    lower = {name.lower(): name for name in reversed(table.columns)}
    named = [lower[name] for name in TIME_NAMES if name in lower]
    found = named or [name for name in table.columns if not _numeric(table[name]) and _dates(table[name])]
    if not found:
        raise ValueError(
            f"`data` must have a column of timestamps. Received: {file.name} with {_listed(table.columns)}. "
            "Name it: --time COLUMN"
        )
    return str(found[0])


def _series_column(table: Any, columns: Columns, time: str, file: Path) -> str | None:
    """The column of a long table by which series are told apart: the one that is named so, or the only one of words."""
    if columns.series is not None:
        return _there(table, "series", columns.series, file)
    rest = [name for name in table.columns if name != time and name not in (*columns.target, *columns.known)]
    named = [name for name in rest if name.lower() in SERIES_NAMES]
    words = [name for name in rest if not _numeric(table[name]) and 1 <= table[name].nunique() < len(table) / 2]
    words = [name for name in words if not _mostly_numbers(table[name])]
    return str((named or words)[0]) if named or len(words) == 1 else None


def _targets(table: Any, columns: Columns, taken: set[str | None], long: bool, file: Path) -> list[str]:
    rest = [name for name in table.columns if name not in taken]
    if columns.target:
        found = [_there(table, "target", name, file) for name in columns.target]
    else:
        numbers = [name for name in rest if _numeric(table[name]) or _mostly_numbers(table[name])]
        named = [name for name in numbers if name.lower() in VALUE_NAMES]
        found = named[:1] if named and (long or len(named) == len(numbers)) else numbers
    if not found:
        raise ValueError(
            f"`data` must have a column of numbers to forecast. Received: {file.name} with {_listed(table.columns)}."
        )
    if long and len(found) > 1:
        raise ValueError(
            f"`target` must be one column where another tells series apart. Received: {file.name} with {_listed(found)}. "
            f"Name it: --target {found[0]}; covariates that are known in advance: --known COLUMN"
        )
    for name in found:
        _number(table, name, file)
    return found


def _number(table: Any, name: str, file: Path) -> None:
    """Makes a column numbers.

    Raises:
        ValueError: It isn't there, or holds something else.
    """
    pd = pandas()
    _there(table, "known", name, file)
    numbers = pd.to_numeric(table[name], errors="coerce")
    bad = numbers.isna() & table[name].notna()
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"Values must be numbers, or empty where they are missing. Received: {file.name}, column {name!r}, row {row + 2}: "
            f"{str(table[name].iloc[row])!r}."
        )
    values = numbers.to_numpy(float)
    table[name] = np.where(np.isfinite(values), values, np.nan)


def _there(table: Any, argument: str, name: str, file: Path) -> str:
    if name not in table.columns:
        raise ValueError(f"`{argument}` must be a column. Received: {name!r}, but {file.name} has {_listed(table.columns)}.")
    return name


def _ignored(table: Any, used: set[str | None], file: Path) -> list[str]:
    rest = [name for name in table.columns if name not in used]
    return [f"{file.name}: not used: {', '.join(rest)}. Covariates known in advance are named: --known COLUMN"] if rest else []


def _numeric(column: Any) -> bool:
    return bool(pandas().api.types.is_numeric_dtype(column))


def _mostly_numbers(column: Any) -> bool:
    """A column of numbers in which a few rows hold something else: an error names these better than to leave it out."""
    there = column.dropna()
    return bool(len(there) and pandas().to_numeric(there, errors="coerce").notna().mean() > 0.5)


def _dates(column: Any) -> bool:
    pd = pandas()
    head = column.dropna().astype(str).head(20)
    looks = head.str.match(r"\s*\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?")
    return bool(len(head) and looks.all() and pd.to_datetime(head, errors="coerce", format="mixed", utc=True).notna().all())


def _listed(names: Sequence[str]) -> str:
    return f"the columns {', '.join(map(str, names[:8]))}{', …' * (len(names) > 8)}"
