"""Labelled series in `.ts` files of the UCR/UEA archive, and in the tab-separated files of its 2018 edition.

The format, as the archive, sktime and aeon describe it: comments begin with #; the header's lines with @, in any case
(`@problemName`, `@timeStamps`, `@dimensions`, `@equalLength`, `@classLabel true 1 2 …`); behind `@data` each line is a case:
values with commas between, `?` or NaN where one is missing, channels with colons between, and the label behind the last colon.
With `@timeStamps true` a value is `(time,value)`, and steps may be left out. In `.tsv` files the label is the first of
the values, which tabs separate; NaN fills up what is shorter.
"""

from __future__ import annotations

import datetime
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".ts", ".tsv")
_SHOWN = 40  # characters of a value or line that an error shows

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A series with a label.

    Args:
        values: (steps, channels); missing ones NaN, the last step is known in a channel at least.
        label: As the file has it, without quotes; `None` if it has none.
        line: Where it is in its file, from 1.
    """

    values: Values
    label: str | None
    line: int


@dataclass(frozen=True)
class CaseFile:
    """What a file holds.

    Args:
        path: The file.
        name: What its header calls the problem, or the file's name.
        class_names: Those that the header lists; what it doesn't list, in the order of the names, if it lists none.
        cases: Those that can be read.
        skipped: Why each of the others can't be, with file and line.
        notes: What else was found.
    """

    path: Path
    name: str
    class_names: tuple[str, ...]
    cases: tuple[Case, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Header:
    """What the lines before `@data` say; lists of class names are empty if there is none."""

    name: str = ""
    labelled: bool | None = None
    class_names: tuple[str, ...] = ()
    target: bool = False
    timestamps: bool = False
    dimensions: int | None = None
    length: int | None = None
    data: int = 0
    """The line of `@data`."""
    unlike: set[str] = field(default_factory=set)


def read_cases(file: Path, channels: int | None = None, labelled: bool = True, strict: bool = False) -> CaseFile:
    """Reads a file.

    Args:
        file: `.ts` or `.tsv`.
        channels: How many each case must have; by default what the header says, or as many as the first case has.
        labelled: Whether cases must have labels; else they may.
        strict: Whether a case that can't be read is an error; else it is left out.

    Raises:
        ValueError: The file isn't of the format, or nothing in it can be read; or with `strict` one case can't.
        FileNotFoundError: It isn't there.
    """
    lines = _text(file).splitlines()
    tabbed = file.suffix.lower() == ".tsv"
    header = _Header(labelled=True) if tabbed else _header(file, lines, labelled)
    channels = channels or (1 if tabbed else header.dimensions)
    cases, skipped = [], []
    for number, line in enumerate(lines[header.data :], header.data + 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            case = _tabbed(line, number) if tabbed else _case(line, number, header, channels)
            if channels is not None and case.values.shape[1] != channels:
                raise ValueError(f"a case must have {_many(channels, 'channel')}. Received: {case.values.shape[1]}")
        except ValueError as error:
            skipped.append(f"{file.name}, line {number:,}: {error}.")
            if strict:
                raise ValueError(skipped[-1]) from None
            continue
        channels = case.values.shape[1]
        cases.append(case)
    if not cases:
        why = skipped[0] if skipped else f"{file.name} has no case" + ("" if tabbed else " behind @data") + "."
        raise ValueError(f"`data` must have cases that can be read. Received: {str(file)!r}. {why}")
    names = header.class_names or tuple(sorted({case.label for case in cases if case.label is not None}, key=natural))
    return CaseFile(file, header.name or file.stem, names, tuple(cases), tuple(skipped), tuple(_unlike(file, header, cases)))


def filled(values: Values) -> Values:
    """Missing values by straight lines between their neighbours, at the ends by the nearest one; 0 where a channel has none."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    full = values.copy()
    steps = np.arange(len(values))
    for channel in np.flatnonzero(missing.any(axis=0)):
        known = ~missing[:, channel]
        full[:, channel] = np.interp(steps, steps[known], values[known, channel]) if known.any() else 0.0
    return full


def natural(label: str) -> tuple[float, str]:
    """By which labels are sorted: numbers by their value, then the others."""
    try:
        return float(label), label
    except ValueError:
        return math.inf, label


def _text(file: Path) -> str:
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"`data` must be text (UTF-8), as .ts files are. Received: {str(file)!r}, which is binary or damaged.")
    if not text.strip():
        raise ValueError(f"`data` must have cases. Received: {str(file)!r}, which is empty.")
    return text


# ---- header ----------------------------------------------------------------------------------------------------------------


def _header(file: Path, lines: Sequence[str], labelled: bool) -> _Header:
    header = _Header()
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        name, rest = words[0].lower(), (words[1].strip() if len(words) > 1 else "")
        if not name.startswith("@"):
            raise ValueError(
                "`data` must have only lines with # and @ before @data. "
                f"Received: {file.name}, line {number:,}: {_short(line)!r}."
            )
        if name == "@data":
            header.data = number
            break
        try:
            _take(header, name, rest)
        except ValueError as error:
            raise ValueError(f"{file.name}, line {number:,}: {error}. Received: {_short(line)!r}.") from None
    if not header.data:
        raise ValueError(f"`data` must have a line @data, behind which cases begin. Received: {str(file)!r}, without one.")
    if header.target and labelled:
        raise ValueError(
            f"`data` must have classes, @classLabel. Received: {str(file)!r} with @targetLabel: numbers to predict, which is "
            "regression, not classification."
        )
    if labelled and not header.labelled:
        raise ValueError(
            f"`data` must have labels: a line such as `@classLabel true 1 2`. Received: {str(file)!r}, which has "
            f"{'none' if header.labelled is None else '@classLabel false'}."
        )
    return header


def _take(header: _Header, name: str, rest: str) -> None:
    """A line of the header; names that nobody needs are passed over."""
    words = _words(rest)
    if name in ("@problemname", "@relation"):
        header.name = " ".join(words)
    elif name in ("@classlabel", "@classlabels"):
        header.labelled, header.class_names = _is_true(words), tuple(dict.fromkeys(words[1:]))
    elif name in ("@targetlabel", "@targetlabels"):
        header.target = _is_true(words)
    elif name == "@timestamps":
        header.timestamps = _is_true(words)
    elif name in ("@dimensions", "@dimension"):
        header.dimensions = _positive(words)
    elif name == "@serieslength" and words:
        header.length = _positive(words) if words[0] not in ("0", "-1") else None
    elif name == "@univariate" and _is_true(words):
        header.dimensions = 1


def _words(text: str) -> list[str]:
    """Words, of which some are quoted."""
    if "'" in text or '"' in text:
        try:
            return shlex.split(text)
        except ValueError:  # an apostrophe
            pass
    return text.split()


def _is_true(words: Sequence[str]) -> bool:
    word = words[0].lower() if words else ""
    if word not in ("true", "false"):
        raise ValueError("it must say true or false")
    return word == "true"


def _positive(words: Sequence[str]) -> int:
    if not words or not words[0].isdigit() or int(words[0]) < 1:
        raise ValueError("it must be a positive integer")
    return int(words[0])


def _unlike(file: Path, header: _Header, cases: Sequence[Case]) -> Iterator[str]:
    """What header and cases disagree on."""
    other = [case for case in cases if header.length and len(case.values) != header.length]
    if header.length and other:
        yield (
            f"{file.name} says that series have {header.length:,} steps; {_many(len(other), 'case')} of {len(cases):,} have "
            f"another number, line {other[0].line:,} {len(other[0].values):,}. They are taken as they are."
        )
    for what in sorted(header.unlike):
        yield f"{file.name}: {what}"


# ---- cases -----------------------------------------------------------------------------------------------------------------


def _case(line: str, number: int, header: _Header, channels: int | None) -> Case:
    body, label = _split_label(line.strip(), header, channels)
    if header.timestamps:
        return Case(_trimmed(_stamped(body, header)), label, number)
    columns = [_numbers(text, i) for i, text in enumerate(body.split(":"), 1)]
    length = max(map(len, columns))
    if min(map(len, columns)) < length:
        header.unlike.add("some cases have channels of different length; what the shorter ones lack is taken as missing.")
    values = np.full((length, len(columns)), np.nan)
    for column, given in enumerate(columns):
        values[: len(given), column] = given
    return Case(_trimmed(values), label, number)


def _split_label(line: str, header: _Header, channels: int | None) -> tuple[str, str | None]:
    """Values and label; of a file that doesn't say whether there is one, there is if a field is left."""
    quoted = re.search(r""":\s*(["'])(.*)\1\s*$""", line)
    body, colon, label = (line[: quoted.start()], ":", quoted[2]) if quoted else line.rpartition(":")
    has = header.labelled or header.target
    if not has and (header.labelled is not None or channels is None or _fields(line) <= channels):
        return line, None
    if not colon:
        raise ValueError(f"a case must end with its label, behind a colon. Received: {_short(line)!r}")
    label = label.strip()
    if not label:
        raise ValueError("a case must end with its label. Received: none behind the last colon")
    if header.labelled and header.class_names and label not in header.class_names:
        label = _same_number(label, header.class_names)
    return body, label


def _fields(line: str) -> int:
    return re.sub(r"\([^)]*\)", "", line).count(":") + 1


def _same_number(label: str, class_names: Sequence[str]) -> str:
    """The class that is the same number, such as 1 of 1.0."""
    value = natural(label)[0]
    for name in class_names:
        if math.isfinite(value) and natural(name)[0] == value:
            return name
    names = ", ".join(class_names[:8]) + ", …" * (len(class_names) > 8)
    raise ValueError(f"a label must be one that @classLabel lists: {names}. Received: {_short(label)!r}")


def _numbers(text: str, channel: int) -> list[float]:
    """Values of a channel; an empty one has none."""
    if not text.strip():
        return []
    try:
        return [math.nan if "?" in word and word.strip() == "?" else float(word) for word in text.split(",")]
    except ValueError:
        for place, word in enumerate(text.split(","), 1):
            try:
                float(word if word.strip() != "?" else "nan")
            except ValueError:
                raise ValueError(
                    f"values must be numbers, or ? where one is missing. Received: {_short(word)!r}, value {place:,} of "
                    f"channel {channel}"
                ) from None
        raise


def _stamped(body: str, header: _Header) -> NDArray[np.float64]:
    """Values in the order of their times, missing where a channel has none."""
    found: list[dict[float, float]] = [{}]
    place, pattern = 0, re.compile(r"\s*(?:\(([^()]*),([^,()]*)\)|([:,])|([^:,(]+))")
    while place < len(body):
        match = pattern.match(body, place)
        if match is None or (match[4] and match[4].strip() != "?"):
            raise ValueError(f"values must be pairs, (time,value). Received: {_short(body[place:])!r}")
        if match[3] == ":":
            found.append({})
        elif match[1] is not None:
            (value,) = _numbers(match[2], len(found)) or [math.nan]
            found[-1][_time(match[1])] = value
        place = match.end()
    times = sorted({time for channel in found for time in channel})
    gaps = np.diff(times)
    if len(gaps) and gaps.max() > 1.5 * np.median(gaps):
        header.unlike.add("timestamps are uneven; values are taken in their order, whatever lies between.")
    return np.array([[channel.get(time, math.nan) for channel in found] for time in times]).reshape(-1, len(found))


def _time(text: str) -> float:
    text = text.strip().strip("'\"")
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
    except ValueError:
        raise ValueError(f"times must be numbers, or dates as 2024-01-31 12:00:00. Received: {_short(text)!r}") from None


def _tabbed(line: str, number: int) -> Case:
    label, _, rest = line.strip().partition("\t")
    values = _numbers(rest.replace("\t", ","), 1)
    label = label.strip().strip("'\"")
    value = natural(label)[0]
    name = str(int(value)) if math.isfinite(value) and value == int(value) else label  # some files have 1.0000000e+00
    if not name or (len(values) == 0 and "\t" not in line):
        raise ValueError(f"a case must be its label and values, with tabs between. Received: {_short(line)!r}")
    return Case(_trimmed(np.array(values, float)[:, None]), name, number)


def _trimmed(values: NDArray[np.float64]) -> Values:
    """Without the missing steps at its end, with which files fill up what is shorter."""
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(known):
        raise ValueError("a case must have a value. Received: none that is known")
    with np.errstate(over="ignore"):
        found = values[: known[-1] + 1].astype(np.float32)
    if np.isinf(found).any():
        step, channel = np.argwhere(np.isinf(found))[0]
        given = values[step, channel]
        raise ValueError(
            f"values must be finite, below 3.4e38. Received: {given:g}, value {step + 1:,} of channel {channel + 1}"
        )
    return found


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
