"""Where the result goes: an array, or a file that takes its name when it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atrous.tiled.images import NpyFile, check_written, drop_pages, write_picture
from atrous.tiled.journal import Facts, Journal, locked
from atrous.tiled.results import Result

SYNC = 1.0
"""Seconds after which what is done is on the disk at the latest, with a note of it: what a kill costs."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Begun = tuple[int, int, list[np.ndarray]]


class Target:
    """Takes tiles; here into an array.

    Args:
        array: Anything that takes `array[slices] = values`.
    """

    def __init__(self, array: Any = None) -> None:
        self.array = array
        self.begun: Begun = 0, 0, []
        """Where to go on: pass, tile, and what was summed up."""

    def put(self, values: np.ndarray, where: tuple[slice, ...]) -> None:
        """Takes a tile."""
        self.array[where] = values

    def done(self, step: int, tile: int, sums: Sequence[np.ndarray]) -> None:
        """All tiles before this one of a pass are computed."""
        drop_pages(self.array)

    def result(self) -> Any:
        """What `predict` returns."""
        return self.array


class File(Target):
    """Takes tiles into a file beside the one that is to be, with a journal.

    Args:
        file: That takes the tiles.
        journal: Beside it.
        path: What the file is to be.
    """

    def __init__(self, file: NpyFile, journal: Journal, path: Path) -> None:
        super().__init__(file)
        self.journal, self.path = journal, path
        self._synced = time.monotonic()

    def done(self, step: int, tile: int, sums: Sequence[np.ndarray]) -> None:
        """Notes it, when the last note is a while ago."""
        if time.monotonic() - self._synced >= SYNC:
            self.array.sync()
            self.journal.write(step, tile, sums)
            self._synced = time.monotonic()

    def result(self) -> Any:
        """The file, mapped; the path of a picture."""
        return np.load(self.path, mmap_mode="r") if self.path.suffix.lower() == ".npy" else self.path


@contextlib.contextmanager
def target_of(out: Any, wanted: Result, facts: Callable[[], Facts], resume: bool, memory: int) -> Iterator[Target]:
    """Opens what the tiles go to; closes it when all are there.

    Args:
        out: As for `predict`.
        wanted: What is written.
        facts: Tells what the result depends on.
        resume: Whether to go on with what is there.
        memory: Bytes that a picture may take.
    """
    shape, dtype = wanted.shape, wanted.dtype
    if out is None:
        yield Target(np.empty(shape, dtype))
        return
    if not isinstance(out, (str, os.PathLike)):
        if tuple(out.shape) != shape:
            raise ValueError(f"`out` must have shape {shape}. Received: out.shape={tuple(out.shape)}.")
        yield Target(out)
        return
    path = Path(out)
    check_written(path, shape, dtype, memory)
    partial = path.with_name(f"{path.name}.partial")
    journal = Journal(path.with_name(f"{path.name}.partial.json"), facts())
    path.parent.mkdir(parents=True, exist_ok=True)
    goes_on = resume and partial.exists() and journal.path.exists()
    begun = journal.begun() if goes_on else (0, 0, [])
    file = NpyFile(partial, shape, dtype)
    with contextlib.closing(file), locked(file.file.fileno(), partial):
        target = File(file, journal, path)
        target.begun = begun
        with _room(path, file):
            if not goes_on:
                journal.path.unlink(missing_ok=True)
            file.begin(goes_on)
            file.reserve()
            if not goes_on:
                journal.write(0, 0, [])
            yield target
            file.sync()
            if path.suffix.lower() == ".npy":
                os.replace(partial, path)
            else:
                write_picture(partial, path, memory, wanted.palette)
                partial.unlink()
        journal.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _room(path: Path, file: NpyFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(path.parent).free
        raise OSError(
            error.errno,
            f"`out` must have room for {file.size / 1e6:,.1f} MB; {free / 1e6:,.1f} MB are free ({os.strerror(error.errno)}). "
            "What is done is kept beside it: the same call goes on when there is room",
            str(path),
        ) from error
