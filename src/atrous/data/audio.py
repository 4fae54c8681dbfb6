"""Clips of sound with a class each: a folder or list in, a data set at one sample rate out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from atrous.data.clips import Clip, Columns, Found, find_clips
from atrous.data.folder import alike
from atrous.data.sound import Header, Samples, is_silent, read_header, read_sound
from atrous.data.stratified import stratified

HIGHEST_DEFAULT = 16000
"""Hz: the default sample rate is no higher; speech has little above its half."""
LONGEST_DEFAULT = 10.0
"""Seconds: the default length of an example is no longer."""
SHORTEST = 0.1
"""Seconds of an example, at least: a network of a few frames has nothing to look at."""
_KEPT = 2**29  # bytes of decoded sound that are held in memory; beyond, files are read again each time
T = TypeVar("T")

_PERCENTILE = 90  # of the clips' lengths is an example's length


class ClipSplit:
    """Clips of one part.

    Attributes:
        clips: (n,) what was found.
        labels: (n,) int64, the class of each.
        seconds: (n,) float64, its length.
        levels: (n,) float64, its root mean square before anything is done with it.
    """

    def __init__(self, clips: Sequence[Clip], looked: Sequence[_Looked], labels: Sequence[int], sample_rate: int) -> None:
        """Takes clips and what was seen when each was decoded."""
        self.clips = tuple(clips)
        self.labels = np.asarray(labels, np.int64)
        self.seconds = np.array([each.seconds for each in looked], np.float64)
        self.levels = np.array([each.level for each in looked], np.float64)
        self.sample_rate = sample_rate
        self._kept = {i: each.kept for i, each in enumerate(looked)}

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def window(self, index: int, length: int, place: float = 0.5) -> Samples:
        """A stretch of a clip: all of it, if it isn't longer.

        Args:
            index: Of the clip.
            length: Samples, at most.
            place: 0 … 1: where it is cut; 0.5 is the middle.
        """
        kept = self._kept[int(index)]
        if kept is None:
            start = place * max(0.0, float(self.seconds[index]) - length / self.sample_rate)
            return self._read(int(index), start, length)[:length]
        first = round(place * max(0, len(kept) - length))
        return kept[first : first + length]

    def name(self, index: int) -> str:
        """What the clip is called: its path in the data set."""
        return self.clips[index].name

    def _read(self, index: int, start: float, length: int) -> Samples:
        file = self.clips[index].file
        try:
            return read_sound(file, self.sample_rate, start=start, seconds=length / self.sample_rate).samples
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{str(file)!r} must stay as it was while it is in use. Received: {error} Bring it back; a training "
                "then goes on from its last whole epoch with: atrous train --resume RUN"
            ) from error


@dataclass(frozen=True)
class AudioData:
    """A data set of clips.

    Attributes:
        name: the folder's name, or the list's.
        class_names: label → name.
        sample_rate: in Hz, of all clips.
        seconds: length of an example; a longer clip is cut, a shorter one padded.
        silence: whether silent clips are examples, because a class is made of them.
        train: what the weights are fitted to.
        validation: what the best epoch is chosen by.
        test: what is looked at once, at the end.
        skipped: files left out, and why.
        notes: what else the user should know before training, a sentence each.
        kind: what a recipe is chosen by.
    """

    name: str
    class_names: tuple[str, ...]
    sample_rate: int
    seconds: float
    silence: bool
    train: ClipSplit
    validation: ClipSplit
    test: ClipSplit
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class _Looked:
    """What is known of a clip once it is decoded."""

    header: Header
    seconds: float
    level: float
    silent: bool
    kept: Samples | None


def load_audio(
    source: str | Path,
    seed: int = 0,
    sample_rate: int | None = None,
    seconds: float | None = None,
    strict: bool = False,
    columns: Columns = Columns(),  # noqa: B008 (it is frozen)
) -> AudioData:
    """Loads clips of sound with a class each; where they are found: see `clips.find_clips`.

    Every file is decoded once, so that what is wrong is found before training: one that can't be read is left out, and named in
    `skipped`; so is one in which there is nothing to hear, unless most clips of a class are so. Channels are mixed to one,
    and all is resampled to one rate. Clips are held in memory, if they are not more than 512 MB. A part that isn't given is a
    tenth of each class of `train`.

    Args:
        source: A folder or CSV file; nothing is changed.
        seed: Draws the parts that aren't given.
        sample_rate: In Hz. By default that of most files, but at most 16 000.
        seconds: Of an example. By default nine clips in ten are not longer, and at most 10.
        strict: Whether a file that can't be read, or is silent, is an error.
        columns: Of a CSV file.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The data break a rule; or, with `strict`, something would be left out.
    """
    found = find_clips(source, columns)
    if strict and found.skipped:
        raise ValueError(found.skipped[0][1])
    skipped = list(found.skipped)
    clips = [clip for part in found.parts.values() for clip in part]
    headers = _each(clips, lambda clip: read_header(clip.file), strict, skipped)
    if not headers:
        raise ValueError(f"{str(source)!r} must hold sound that can be read. Received: {skipped[-1][1]}")
    rate = sample_rate or _default_rate(list(headers.values()))
    room = 4 * sum(header.seconds * rate for header in headers.values()) <= _KEPT
    looked = _each(list(headers), lambda clip: _look(clip, headers[clip], rate, room), strict, skipped)
    names = _class_names(clips)
    silence = _without_silence(looked, skipped, strict)
    _require_classes(found, looked, names)
    listed = {part: [clip for clip in each if clip in looked] for part, each in found.parts.items()}
    parts, thin = _complete(listed, names, seed, strict)
    splits = {
        part: ClipSplit(each, [looked[clip] for clip in each], [names.index(clip.label) for clip in each], rate)
        for part, each in parts.items()
    }
    length = seconds or default_seconds([each.seconds for each in looked.values()])
    notes = [*found.notes, *thin, *alike(names), *_notes(list(looked.values()), rate, length, room)]
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    return AudioData(found.name, names, rate, length, silence, train, validation, test, tuple(skipped), tuple(notes))


def default_seconds(lengths: Sequence[float]) -> float:
    """Nine clips in ten are not longer; in tenths of a second, between 0.1 and 10.

    >>> default_seconds([0.5] * 9 + [60.0]), default_seconds([0.01, 0.02]), default_seconds([1.0, 1.01])
    (0.5, 0.1, 1.1)
    """
    at = float(np.percentile(lengths, _PERCENTILE, method="inverted_cdf"))
    return min(LONGEST_DEFAULT, max(SHORTEST, math.ceil(10 * at - 1e-6) / 10))


def _default_rate(headers: Sequence[Header]) -> int:
    most = Counter(header.sample_rate for header in headers).most_common()
    return min(HIGHEST_DEFAULT, max(rate for rate, count in most if count == most[0][1]))


def _look(clip: Clip, header: Header, rate: int, keep: bool) -> _Looked:
    sound = read_sound(clip.file, rate)
    samples = sound.samples
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return _Looked(header, header.seconds, level, is_silent(samples), samples if keep else None)


def _each(clips: Sequence[Clip], look: Callable[[Clip], T], strict: bool, skipped: list[tuple[str, str]]) -> dict[Clip, T]:
    """What is seen in each clip; those that can't be read are told in `skipped`."""

    def seen(clip: Clip) -> T | Exception:
        try:
            return look(clip)
        except (ValueError, OSError) as error:
            if strict:
                raise
            return error

    with ThreadPoolExecutor() as pool:  # libsndfile works without the interpreter's lock
        found = dict(zip(clips, pool.map(seen, clips), strict=True))
    skipped += [(clip.name, str(why)) for clip, why in found.items() if isinstance(why, Exception)]
    return {clip: each for clip, each in found.items() if not isinstance(each, Exception)}


def _without_silence(looked: dict[Clip, _Looked], skipped: list[tuple[str, str]], strict: bool) -> bool:
    """Takes silent clips out, and returns `False`; or leaves them where they are what a class is."""
    silent = [clip for clip, each in looked.items() if each.silent]
    of_class, all_of_class = (Counter(clip.label for clip in clips) for clips in (silent, looked))
    if any(2 * count > all_of_class[label] for label, count in of_class.items()):
        return True
    for clip in silent:
        why = f"{clip.name!r} must have something to hear. Received: silence, no sample beyond −80 dB."
        if strict:
            raise ValueError(why)
        skipped.append((clip.name, why))
        del looked[clip]
    return False


def _class_names(clips: Sequence[Clip]) -> tuple[str, ...]:
    names = {clip.label for clip in clips}
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def _require_classes(found: Found, looked: dict[Clip, _Looked], names: Sequence[str]) -> None:
    for name in names:
        of_train = [clip for clip in found.parts["train"] if clip.label == name]
        if not of_train:
            where = next(part for part, each in found.parts.items() if any(clip.label == name for clip in each))
            raise ValueError(f"Classes must be in the part train. Received: {name!r} in {where} alone.")
        if not any(clip in looked for clip in of_train):
            raise ValueError(
                f"Class {name!r} must have clips that can be read. Received: {len(of_train)} file(s), all damaged. "
                "Replace them or remove the class."
            )


def _complete(
    listed: dict[str, list[Clip]], names: Sequence[str], seed: int, strict: bool
) -> tuple[dict[str, list[Clip]], list[str]]:
    """All three parts, and a sentence if a class isn't in those that are made here."""
    listed = {part: each for part, each in listed.items() if each}
    missing = [part for part in ("validation", "test") if part not in listed]
    train = listed["train"]
    labels = [names.index(clip.label) for clip in train]
    counts = np.bincount(labels, minlength=len(names))
    few = {name: int(count) for name, count in zip(names, counts, strict=True) if count <= len(missing)}
    if few and (strict or len(few) == len(names)):
        raise ValueError(
            f"{'Each' if strict else 'At least one'} class must have at least {1 + len(missing)} clips, one for each of train, "
            f"{', '.join(missing)}. Received: {few}. Add clips, or say which part each belongs to."
        )
    rows = stratified(labels, (1 - 0.1 * len(missing), *[0.1] * len(missing)), seed)
    taken = {part: [train[i] for i in at] for part, at in zip(["train", *missing], rows, strict=True)}
    told = []
    if few:
        named = ", ".join(f"{name} ({count})" for name, count in few.items())
        told.append(
            f"Classes with too few clips to be in {' or '.join(missing)}: {named}. They are trained on, but it isn't known how "
            "well."
        )
    return listed | taken, told


def _notes(looked: Sequence[_Looked], rate: int, seconds: float, kept: bool) -> list[str]:
    """What was done with the clips."""
    told, many = [], len(looked)
    mixed = sum(each.header.channels > 1 for each in looked)
    if mixed:
        told.append(f"{_of(mixed, many)} {_has(mixed)} several channels: their mean is taken.")
    rates = Counter(each.header.sample_rate for each in looked)
    other = sum(count for of, count in rates.items() if of != rate)
    if other:
        named = ", ".join(f"{of:,}" for of in sorted(rates) if of != rate)
        told.append(f"{_of(other, many)} {'is' if other == 1 else 'are'} resampled to {rate:,} Hz, from {named} Hz.")
    low = sum(count for of, count in rates.items() if of < rate)
    if low:
        told.append(
            f"{_of(low, many)} {_has(low)} a lower sample rate than {rate:,} Hz, and nothing above its half: if one class has "
            f"such, it is told by that. A lower --sample-rate takes it from all, {min(rates):,} say."
        )
    longer = sum(each.seconds > seconds + 0.5 / rate for each in looked)
    shorter = sum(each.seconds < seconds - 0.5 / rate for each in looked)
    if longer or shorter:
        lengths = [each.seconds for each in looked]
        told.append(
            f"Clips have {min(lengths):.3g} to {max(lengths):.3g} s, examples {seconds:g} s: {longer:,} are cut, {shorter:,} "
            "padded."
        )
    if not kept:
        told.append(f"The sound is more than {_KEPT >> 20:,} MB: files are read again in each epoch.")
    return told


def _of(count: int, many: int) -> str:
    return "All clips" if count == many else f"{count:,} of {many:,} clips"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def samples_of(seconds: float, sample_rate: int) -> int:
    """Samples of an example.

    >>> samples_of(2.4, 8000)
    19200
    """
    return max(1, round(seconds * sample_rate))
