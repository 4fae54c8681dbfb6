"""Where the commands take sound from and put it: files, or standard input and output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from atrous.streaming.sound.audio import Reader, SoundWriter

PIPE = "-"
ENCODED = "s16, s24, s32 (integers of so many bits) or f32"
_BROKEN_PIPE = 141  # 128 + SIGPIPE: what a shell calls the end of a program whose reader has gone


@contextlib.contextmanager
def quiet_pipe() -> Iterator[None]:
    """Ends the command without a word when nobody reads its output any more."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # or Python would complain when it flushes at its end
        raise typer.Exit(_BROKEN_PIPE) from None


@contextlib.contextmanager
def sound_in(path: str, encoding: str | None, sample_rate: int | None, channels: int | None) -> Iterator[Reader]:
    """Sound in a file, or as it comes: on standard input, through a named pipe, from a device."""
    from atrous.streaming.sound.audio import FileReader, PipeReader

    if path == PIPE:
        yield PipeReader(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer), encoding, sample_rate, channels)
    elif Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        with open(path, "rb", buffering=0) as file:
            yield PipeReader(file, encoding, sample_rate, channels)
    else:
        with contextlib.closing(FileReader(path)) as reader:
            yield reader


@contextlib.contextmanager
def sound_out(path: str, sample_rate: int, channels: int, encoding: str, raw: bool = False) -> Iterator[SoundWriter]:
    """A sound file that is there when all went well; or WAV, or `raw` PCM, on standard output."""
    from atrous.streaming.sound import audio

    if path != PIPE:
        with audio.sound_file(path, sample_rate, channels, encoding) as writer:
            yield writer
        return
    refuse_terminal(path)
    file = sys.stdout.buffer
    yield audio.pcm(file, encoding) if raw else audio.wav(file, sample_rate, channels, encoding)


def check_files(output: str, suffixes: tuple[str, ...], *inputs: str | Path | None) -> None:
    """Finds mistakes before anything slow begins: inputs that aren't there, an output that is one of them or nothing known."""
    for path in inputs:
        if str(path) == PIPE and sys.stdin.isatty():
            raise ValueError("`--input` must be a sound file, or sound must be piped in. Received: --input - on a terminal.")
        if path is not None and str(path) != PIPE:
            open(path, "rb").close() if Path(path).is_file() else os.stat(path)
            if output != PIPE and Path(output).exists() and os.path.samefile(path, output):
                raise ValueError(f"`--output` must be another file than what is read. Received: --output {output}")
    if output != PIPE and Path(output).suffix.lower() not in suffixes:
        raise ValueError(f"`--output` must be a file ending in {', '.join(suffixes)}, or -. Received: --output {output}")


def refuse_terminal(output: str) -> None:
    """Sound isn't printed on a screen."""
    if output == PIPE and sys.stdout.isatty():
        raise ValueError("`--output` must be a file, or be piped into something. Received: --output - on a terminal.")
