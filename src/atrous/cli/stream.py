"""The command `atrous stream`: sound in, a model's answers out, at the pace it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atrous.cli import messages, sound

if TYPE_CHECKING:
    from atrous.streaming.sound.audio import Reader, Writer
    from atrous.streaming.sound.encodings import Samples
    from atrous.streaming.sound.live import Figures

BLOCK = 1024
SUFFIXES = (".wav", ".flac", ".csv")


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(stream)


def stream(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a .keras file.", show_default=False)],
    input_: Annotated[
        str,
        typer.Option("--input", metavar="FILE|-", help="A sound file; or -: WAV or raw PCM on standard input, as it comes."),
    ] = sound.PIPE,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="A .wav or .flac file for sound, a .csv file for a row of values a step; or -, standard output: sound if the "
            "model gives 1 or 2 channels without names, as WAV or, where raw PCM came in, as that; else rows.",
        ),
    ] = sound.PIPE,
    sample_rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ", help="What the model works at, and raw PCM has. Default: the model's `sample_rate`, else the input's."
        ),
    ] = None,
    resample: Annotated[bool, typer.Option("--resample", help="Bring sound of another sample rate to that one.")] = False,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Of raw PCM, and of sound that is written: {sound.ENCODED}. Default: as it came."),
    ] = None,
    block: Annotated[int | None, typer.Option(metavar="N", help=f"Samples at once, at most. Default: about {BLOCK}.")] = None,
    lookahead: Annotated[
        int, typer.Option(metavar="N", help="Samples that answers may be late, for a model that sees later ones.")
    ] = 0,
    engine: Annotated[str | None, typer.Option(help="native or functional. Default: native where it can be.")] = None,
    warm_up: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sound that came before, whose answers aren't written.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Names of the model's values, for rows, which then say the largest, too."),
    ] = None,
    every: Annotated[int, typer.Option(metavar="N", help="Write a row every so many steps of the model.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary, on standard error, as JSON.")] = False,
) -> None:
    """Run a model on sound as it comes, and say how late and how fast it is.

    A causal model answers each block at once, as if it had heard everything together. Rows are CSV, flushed step by step:
    `seconds` heard, `label`, the values. A model that takes integer codes gets those of mu-law; to hear what it makes up, see
    `atrous generate`. Ctrl-C ends the stream; what came up to there is complete.
    """
    sound.check_files(output, SUFFIXES, input_, warm_up)
    if every < 1:
        raise ValueError(f"`--every` must be a positive integer. Received: --every {every}")
    loaded = messages.load_workflow(as_json or output == sound.PIPE).load_model(run)
    from atrous.streaming.sound import live
    from atrous.streaming.stream import Stream

    taking = live.signal_of(loaded)
    sample_rate = sample_rate or getattr(loaded, "sample_rate", None)
    streaming = Stream(loaded, lookahead=lookahead, engine=engine, check_finite=False)  # type: ignore[arg-type]
    channels = live.channels_of(streaming)
    names = _names(getattr(loaded, "class_names", None), labels, channels)
    size = _block(block, streaming.input_block)
    with sound.quiet_pipe(), contextlib.ExitStack() as files:
        reader = files.enter_context(sound.sound_in(input_, encoding, sample_rate, taking.channels))
        reader = _fitting(reader, taking.channels, sample_rate, resample, "--input")
        rate = reader.sample_rate
        assert rate is not None
        past = None if warm_up is None else _past(warm_up, taking.channels, rate, resample)
        skip = live.warm_up(streaming, taking, size, past)
        writer = files.enter_context(
            _writer(output, live.steps_a_sample(streaming), channels, reader, encoding or reader.encoding, names, every)
        )
        bar = files.enter_context(_bar(reader, quiet=as_json or output == sound.PIPE))
        figures = live.run(streaming, taking, reader, writer, rate, size, skip=skip, progress=bar)
    clipped = getattr(writer, "clipped", 0)
    if as_json:
        facts = {**dataclasses.asdict(figures), "clipped": clipped, "bytes_lost": reader.bytes_lost}
        messages.error(json.dumps(facts))
    else:
        _summary(figures, clipped, reader.bytes_lost)
    raise typer.Exit(130 if figures.stopped else 0)


def _names(own: Sequence[str] | None, labels: str | None, channels: int) -> Sequence[str] | None:
    names = own if labels is None else labels.split(",")
    if names is not None and len(names) != channels:
        raise ValueError(f"`--labels` must be {channels} names, one for each value of the model. Received: {len(names)}.")
    return names


def _block(block: int | None, multiple: int) -> int:
    if block is None:
        return -(-BLOCK // multiple) * multiple
    if block < 1 or block % multiple:
        raise ValueError(
            f"`--block` must be a positive multiple of {multiple}, for the model's strides. Received: --block {block}"
        )
    return block


def _fitting(reader: Reader, channels: int, sample_rate: int | None, resample: bool, option: str) -> Reader:
    """The sound at the model's sample rate, if its channels are the model's."""
    if reader.channels != channels:
        raise ValueError(
            f"`{option}` must have as many channels as the model takes, {channels}. Received: {reader.channels}. "
            f"To mix them: ffmpeg -i IN.wav -ac {channels} OUT.wav"
        )
    if reader.sample_rate is None:
        raise ValueError("`--sample-rate` must be given with raw PCM, which doesn't say it. Received: none.")
    if sample_rate is None or reader.sample_rate == sample_rate:
        return reader
    if not resample:
        raise ValueError(
            f"`{option}` must have the model's sample rate, {sample_rate} Hz. Received: {reader.sample_rate} Hz. "
            "Give --resample to bring it to that."
        )
    from atrous.streaming.sound.audio import Resampled

    return Resampled(reader, sample_rate)


def _past(path: Path, channels: int, sample_rate: int, resample: bool) -> Samples:
    import numpy as np

    with sound.sound_in(str(path), None, None, None) as reader:
        reader = _fitting(reader, channels, sample_rate, resample, "--warm-up")
        blocks = [reader.read(2**16)]
        while len(blocks[-1]):
            blocks.append(reader.read(2**16))
        return np.concatenate(blocks)


@contextlib.contextmanager
def _writer(
    output: str,
    ratio: Fraction | None,
    channels: int,
    reader: Reader,
    encoding: str,
    names: Sequence[str] | None,
    every: int,
) -> Iterator[Writer]:
    """Sound or rows, into a file or a pipe."""
    from atrous.run import replacing
    from atrous.streaming.sound.live import RowWriter

    in_rows = output.endswith(".csv") or (output == sound.PIPE and (names is not None or ratio is None or channels > 2))
    if in_rows and output == sound.PIPE:
        yield RowWriter(sys.stdout, names, channels, every)
    elif in_rows:
        with replacing(Path(output)) as path, path.open("w", encoding="utf-8") as file:
            yield RowWriter(file, names, channels, every)
    else:
        rate = (ratio or 0) * (reader.sample_rate or 0)
        if not rate or rate.denominator != 1:
            raise ValueError(f"`--output` must be a .csv file for a model that gives no sound. Received: --output {output}")
        with sound.sound_out(output, int(rate), channels, encoding, reader.raw) as writer:
            yield writer


@contextlib.contextmanager
def _bar(reader: Reader, quiet: bool) -> Iterator[Any]:
    """What is told how many samples were heard: a bar on standard error, if it is a terminal and the end is known."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or reader.frames is None or not console.is_terminal:
        yield None
        return
    with Progress(
        BarColumn(None),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
        expand=True,
    ) as bar:
        task = bar.add_task("", total=reader.frames)
        yield lambda samples: bar.update(task, completed=samples)


def _summary(figures: Figures, clipped: int, bytes_lost: int) -> None:
    seconds, ms = figures.samples / figures.sample_rate, figures.block_ms
    why = f" ({figures.why_not_native})" if figures.why_not_native else ""
    lines = [
        f"{'stopped after ' if figures.stopped else ''}{seconds:.2f} s of sound "
        f"({figures.samples:,} samples of {figures.sample_rate:,} Hz), {figures.steps:,} steps out",
        f"engine: {figures.engine}{why}",
        f"latency: {figures.latency:,} samples, {figures.latency_ms:.1f} ms: a block of up to {figures.block:,}"
        + (f", and {figures.lookahead:,} that the model looks ahead" if figures.lookahead else ""),
        f"a block took {ms['p50']:.2f} ms (median), {ms['p99']:.2f} (99 %), {ms['max']:.2f} (longest); "
        f"{figures.real_time_factor:.3g} times real time",
    ]
    if clipped:
        lines.append(f"{clipped:,} values beyond −1 … 1 were clipped; --encoding f32 keeps them")
    if bytes_lost:
        lines.append(f"the input ended within a sample: its last {bytes_lost} bytes were left out")
    messages.error("\n".join(lines))
