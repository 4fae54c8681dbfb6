"""Recordings that need no label: a folder of sound files or a list of them in, 16-bit sound at one sample rate out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.clips import (
    FILE_NAMES,
    PARTS,
    SPLIT_NAMES,
    column_at,
    is_list,
    lists_in,
    located,
    part_of,
    read_list,
)
from atrous.data.parts import complete
from atrous.data.sound import Header, Samples, is_silent, read_header, read_sound, sound_files

HIGHEST_DEFAULT = 16000
"""Hz: the default sample rate is no higher; speech has little above its half."""
FULL_SCALE = 32768
"""Of 16 bits."""
_QUIET = 10 ** (-50 / 20)  # of the peak: what is below it at the ends is trimmed …
_FRAME, _MARGIN = 0.01, 0.05  # … in frames of so many seconds, but for so many
_EXAMPLES = 3  # names in a note


@dataclass(frozen=True)
class Recording:
    """The sound of one file.

    Args:
        name: What it is called: its path in the data set.
        stored: (n,) int16.
    """

    name: str
    stored: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.stored)

    def samples(self, first: int = 0, last: int | None = None) -> Samples:
        """(n,) float32 in −1 … 1, of a stretch."""
        return self.stored[first:last].astype(np.float32) / np.float32(FULL_SCALE)


@dataclass(frozen=True)
class RecordingPart:
    """Recordings of one part.

    Args:
        recordings: The recordings.
        crops: Number of examples, if it isn't that of the recordings: crops drawn in an epoch of training.
        trained: The training part, where predictors are fitted that this part is compared with; `None`: with none.
        seconds: How much of it is looked at; `None`: all.
    """

    recordings: tuple[Recording, ...]
    crops: int | None = None
    trained: tuple[Recording, ...] | None = None
    seconds: float | None = None

    def __len__(self) -> int:
        return len(self.recordings) if self.crops is None else self.crops


@dataclass(frozen=True)
class Read:
    """What a folder or list holds.

    Args:
        name: Of the data set.
        sample_rate: Of all recordings, in Hz.
        parts: Recordings of "train", "validation" and "test".
        skipped: Files left out, and why.
        notes: What else the user should know, a sentence each.
    """

    name: str
    sample_rate: int
    parts: dict[str, list[Recording]]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """How a list of sound files is read.

    Args:
        file: Column of paths, relative to the list; by default found by its name.
        split: Column of parts; likewise.
        where: Rows that are taken: for each column the value that it must have.
    """

    file: str | None = None
    split: str | None = None
    where: tuple[tuple[str, str], ...] = ()


_Named = list[tuple[str, Path]]


def read_recordings(
    source: str | Path,
    seed: int = 0,
    sample_rate: int | None = None,
    trim: bool = False,
    strict: bool = False,
    listing: Listing = Listing(),
) -> Read:
    """Reads the sound files of a folder, or of a CSV file that lists them, and divides them into parts by files.

    A folder is read by the one CSV file in it that has a column of paths; else all sound in it and below is taken, and folders
    `train`, `validation` (or `val`) and `test` are parts, if there are no others. Parts that aren't given are drawn by the
    seed: see `parts.complete`. All is held in memory, in 16 bits. Channels are mixed to one. What can't be read or heard is
    left out.

    Args:
        source: A folder or CSV file.
        seed: Draws the parts that aren't given.
        sample_rate: In Hz; by default that of most files, but at most 16,000.
        trim: Whether silence at both ends is cut off.
        strict: Whether a file that would be left out is an error.
        listing: How a list is read.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ValueError: It holds no sound, or breaks a rule.
    """
    source = Path(source).expanduser()
    name, parts, skipped = _found(source, listing)
    every = [each for part in parts.values() for each in part]
    headers = _headers(every, skipped)
    rate = sample_rate or _default_rate(list(headers.values()))
    held: dict[str, Recording] = {}
    for named, made in _each([each for each in every if each[0] in headers], rate, trim):
        if isinstance(made, Recording):
            held[named] = made
        else:
            skipped.append((named, made))
    if strict and skipped:
        raise ValueError(skipped[0][1])
    if not held:
        why = f" First: {skipped[0][1]}" if skipped else ""
        raise ValueError(f"`data` must have sound that can be heard. Received: {str(source)!r}, {len(every)} file(s).{why}")
    there = {part: [held[named] for named, _ in each if named in held] for part, each in parts.items()}
    there = complete({part: each for part, each in there.items() if each or part == "train"}, seed, "recording")
    return Read(name, rate, there, tuple(skipped), tuple(_notes([headers[named] for named in held], rate)))


def read_recording(file: Path, sample_rate: int, trim: bool = False, name: str | None = None) -> Recording:
    """One file.

    Raises:
        ValueError: It can't be read, or there is nothing to hear.
        OSError: It can't be opened.
    """
    name = name or str(file)
    samples = read_sound(file, sample_rate).samples
    if is_silent(samples):
        raise ValueError(f"{name!r} must have something to hear. Received: silence, no sample beyond −80 dB.")
    if trim:
        samples = trimmed(samples, sample_rate)
    stored = np.clip(np.rint(samples.astype(np.float64) * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return Recording(name, stored.astype(np.int16))


def trimmed(samples: Samples, sample_rate: int) -> Samples:
    """Without what is 50 dB below the peak at both ends, but for 50 ms."""
    frame = max(1, round(_FRAME * sample_rate))
    padded = np.pad(np.abs(samples), (0, -len(samples) % frame)).reshape(-1, frame).max(axis=1)
    loud = np.flatnonzero(padded >= _QUIET * padded.max())
    margin = round(_MARGIN * sample_rate)
    return samples[max(0, loud[0] * frame - margin) : (loud[-1] + 1) * frame + margin]


def _found(source: Path, listing: Listing) -> tuple[str, dict[str, _Named], list[tuple[str, str]]]:
    """Name of the data set, its files by part, and what is listed but isn't there."""
    if is_list(source):
        return _listed(source, source.stem, listing)
    lists = lists_in(source)
    told = listing != Listing()
    fitting = [path for path in lists if _fits(path, listing)]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise ValueError(f"`data` must be one CSV file where a folder has several. Received: {str(source)!r} with {names}.")
    if fitting:
        return _listed(fitting[0], source.name, listing)
    if told:
        raise ValueError(f"`file`, `split` and `where` are of a CSV file. Received: {str(source)!r}, without one that fits.")
    folders = {path.name.lower(): path for path in source.iterdir() if path.is_dir() and path.name[0] not in "._"}
    given = {"train": source}
    if "train" in folders and set(folders) <= set(PARTS):
        given = {PARTS[part]: folder for part, folder in folders.items()}
    parts = {
        part: [(path.relative_to(source).as_posix(), path) for path in sound_files(folder)] for part, folder in given.items()
    }
    if not any(parts.values()):
        raise ValueError(f"`data` must hold sound: .wav, .flac, .ogg, .mp3, … Received: {str(source)!r}, without any.")
    return source.name, parts, []


def _listed(file: Path, name: str, listing: Listing) -> tuple[str, dict[str, _Named], list[tuple[str, str]]]:
    header, rows = read_list(file)
    path_at = column_at(header, "file", listing.file, FILE_NAMES, file)
    split_at = column_at(header, "split", listing.split, SPLIT_NAMES, file, needed=False)
    wanted = [(column_at(header, "where", column, (), file), value) for column, value in listing.where]
    parts: dict[str, _Named] = {"train": []}
    skipped, seen, taken = [], set[Path](), 0
    for row, short in rows:
        cells = [*short, *[""] * (len(header) - len(short))]
        if any(cells[at].strip() != value for at, value in wanted):
            continue
        taken += 1
        path, where = cells[path_at].strip(), f"row {row} of {file.name}"
        target = located(file.parent, path) if path else None
        if target is None:
            skipped.append((path or where, f"{path!r}, {where}, must be a file. Received: there is none."))
        elif target in seen:
            skipped.append((path, f"{path!r} must be listed once. Received: again in {where}."))
        else:
            seen.add(target)
            part = "train" if split_at is None else part_of(cells[split_at], where)
            parts.setdefault(part, []).append((path, target))
    if not taken:
        said = ", ".join(f"{column}={value}" for column, value in listing.where)
        raise ValueError(
            f"`where` must be true of some rows. Received: {said or 'no row'}, of none of {len(rows)} in {file.name}."
        )
    return name, parts, skipped


def _fits(file: Path, listing: Listing) -> bool:
    try:
        header = read_list(file)[0]
    except ValueError:
        return False
    return listing.file in header if listing.file else any(name.lower() in FILE_NAMES for name in header)


def _headers(every: _Named, skipped: list[tuple[str, str]]) -> dict[str, Header]:
    headers = {}
    for named, path in every:
        try:
            headers[named] = read_header(path)
        except (ValueError, OSError) as error:
            skipped.append((named, str(error)))
    return headers


def _each(every: _Named, rate: int, trim: bool) -> Iterator[tuple[str, Recording | str]]:
    """Each recording, or why there is none."""

    def read(each: tuple[str, Path]) -> tuple[str, Recording | str]:
        try:
            return each[0], read_recording(each[1], rate, trim, each[0])
        except (ValueError, OSError) as error:
            return each[0], str(error)

    with ThreadPoolExecutor() as pool:  # libsndfile works without the interpreter's lock
        yield from pool.map(read, every)


def _default_rate(headers: Sequence[Header]) -> int:
    most = Counter(header.sample_rate for header in headers).most_common()
    return min(HIGHEST_DEFAULT, max((rate for rate, count in most if count == most[0][1]), default=HIGHEST_DEFAULT))


def _notes(headers: Sequence[Header], rate: int) -> list[str]:
    """What was done with the files."""
    told, many = [], len(headers)
    mixed = sum(header.channels > 1 for header in headers)
    if mixed:
        told.append(f"{_of(mixed, many)} have several channels: their mean is taken.")
    rates = Counter(header.sample_rate for header in headers if header.sample_rate != rate)
    if rates:
        named = ", ".join(f"{of:,}" for of in sorted(rates))
        told.append(f"{_of(sum(rates.values()), many)} are resampled to {rate:,} Hz, from {named} Hz.")
    low = sum(count for of, count in rates.items() if of < rate)
    if low:
        told.append(
            f"{_of(low, many)} have a lower sample rate than {rate:,} Hz, and nothing above its half: part of what is learnt "
            f"sounds dull. --sample-rate {min(rates)} makes all alike."
        )
    return told


def _of(count: int, many: int) -> str:
    return "All files" if count == many else f"{count:,} of {many:,} files"
