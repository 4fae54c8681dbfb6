"""The command `atrous generate`: sound out of a network that predicts each sample from those before it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atrous.cli import messages, sound

if TYPE_CHECKING:
    from atrous.streaming.sampling import Kind
    from atrous.streaming.sound.encodings import Samples

SUFFIXES = (".wav", ".flac")


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(generate)


def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a .keras file.", show_default=False)],
    seconds: Annotated[float, typer.Option(help="How much sound.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Same seed, same machine, same sound.")] = 0,
    temperature: Annotated[float, typer.Option(help="Below 1, what is likely becomes likelier; 0 takes the likeliest.")] = 1.0,
    sample_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Default: the model's `sample_rate`, else the primer's, else 16000.")
    ] = None,
    output: Annotated[
        str, typer.Option(metavar="FILE|-", help="A .wav or .flac file; or -: WAV on standard output, as it is made.")
    ] = "generated.wav",
    encoding: Annotated[str, typer.Option(metavar="NAME", help=f"Of the sound: {sound.ENCODED}.")] = "s16",
    primer: Annotated[Path | None, typer.Option(metavar="FILE", help="Sound that it goes on from. Default: silence.")] = None,
    speaker: Annotated[
        str | None, typer.Option(metavar="K|FILE", help="What holds for all time: a class, or a .npy file, (channels).")
    ] = None,
    local: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What changes in time: a .npy file, (time, channels), primer's first.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(help="categorical, logistics or regression: what the model's output means, if its shape leaves it open."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="native or functional. Default: native where it can be.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary, on standard error, as JSON.")] = False,
) -> None:
    """Generate sound with a network of WaveNet's kind.

    Codes are taken for mu-law's. Ctrl-C ends it; the file holds what was made up to there.
    """
    if not 0 < seconds < float("inf"):
        raise ValueError(f"`--seconds` must be positive. Received: --seconds {seconds:g}")
    sound.check_files(output, SUFFIXES, primer, local)
    sound.refuse_terminal(output)
    loaded = messages.load_workflow(as_json or output == sound.PIPE).load_model(run)
    from atrous.streaming import generation, sampling

    kind = sampling.kind_of(loaded, head)
    past, rate = _primer(primer, kind, sample_rate or getattr(loaded, "sample_rate", None))
    samples = max(round(seconds * rate), 1)
    live, blocks = generation.generate_blocks(
        loaded,
        samples,
        seed=seed,
        temperature=temperature,
        primer=past,
        conditions=_conditions(loaded, speaker, local),
        head=head,
        engine=engine,
    )
    done, stopped, begin = 0, False, time.perf_counter()
    with (
        sound.quiet_pipe(),
        sound.sound_out(output, rate, kind.channels, encoding) as writer,
        _bar(samples, rate, as_json) as bar,
    ):
        try:
            for block in blocks:
                writer.write(sampling.as_sound(block, kind)[0])
                done += block.shape[1]
                bar(done)
        except KeyboardInterrupt:
            stopped = True
    took = time.perf_counter() - begin
    facts = {
        "samples": done,
        "sample_rate": rate,
        "seconds": took,
        "samples_per_second": done / took,
        "real_time_factor": done / rate / took,
        "engine": live.engine,
        "why_not_native": live.why_not_native,
        "clipped": writer.clipped,
        "stopped": stopped,
    }
    messages.error(json.dumps(facts) if as_json else _summary(facts))
    raise typer.Exit(130 if stopped else 0)


def _primer(path: Path | None, kind: Kind, sample_rate: int | None) -> tuple[Any, int]:
    """What the network goes on from, and the sample rate."""
    if path is None:
        return None, sample_rate or 16000
    from atrous.streaming.sampling import as_drawn

    with sound.sound_in(str(path), None, None, None) as reader:
        if reader.channels != kind.channels:
            raise ValueError(
                f"`--primer` must have as many channels as the model takes, {kind.channels}. Received: {reader.channels}."
            )
        if sample_rate not in (None, reader.sample_rate):
            raise ValueError(f"`--primer` must have the sample rate {sample_rate} Hz. Received: {reader.sample_rate} Hz.")
        heard = reader.read(reader.frames or 2**31)
        assert reader.sample_rate is not None
        return as_drawn(heard[None], kind), reader.sample_rate


def _conditions(model: Any, speaker: str | None, local: Path | None) -> dict[str, Any]:
    """The model's further inputs by name: at most one that holds for all time and one that changes in time."""
    from atrous.streaming.conditions import in_time

    given: dict[str, Any] = {}
    for option, value, timed in (("--speaker", speaker, False), ("--local", local, True)):
        wanted = [x for x in model.inputs[1:] if in_time(x) == timed]
        if len(wanted) != (value is not None):
            names = ", ".join(repr(x.name) for x in wanted) or "no such input"
            raise ValueError(f"`{option}` must be given for what the model takes: {names}. Received: {option} {value}")
        if value is not None:
            given[wanted[0].name] = _array(option, str(value))
    return given


def _array(option: str, text: str) -> Samples:
    import numpy as np

    try:
        return np.array([[int(text)]])
    except ValueError:
        pass
    try:
        array = np.load(text, allow_pickle=False)
    except (ValueError, EOFError):
        array = None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise ValueError(f"`{option}` must be a .npy file of numbers. Received: {option} {text}")
    return array[None]


@contextlib.contextmanager
def _bar(samples: int, rate: int, quiet: bool) -> Iterator[Any]:
    """What is told how many samples there are: a bar on standard error, if it is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console, begin = Console(stderr=True), time.perf_counter()
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    with Progress(
        TextColumn(f"{{task.fields[made]:.2f}} of {samples / rate:.2f} s"),
        BarColumn(None),
        TextColumn("{task.fields[speed]:,.0f} samples/s"),
        TextColumn("{task.fields[factor]:.2f} × real time"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
        expand=True,
    ) as bar:
        task = bar.add_task("", total=samples, made=0, speed=0, factor=0)

        def update(done: int) -> None:
            speed = done / (time.perf_counter() - begin)
            bar.update(task, completed=done, made=done / rate, speed=speed, factor=speed / rate)

        yield update


def _summary(facts: dict[str, Any]) -> str:
    why = f" ({facts['why_not_native']})" if facts["why_not_native"] else ""
    seconds = facts["samples"] / facts["sample_rate"]
    lines = [
        f"{'stopped after ' if facts['stopped'] else ''}{seconds:.2f} s of sound "
        f"({facts['samples']:,} samples of {facts['sample_rate']:,} Hz) in {facts['seconds']:.2f} s: "
        f"{facts['samples_per_second']:,.0f} samples/s, {facts['real_time_factor']:.3g} times real time",
        f"engine: {facts['engine']}{why}",
    ]
    if facts["clipped"]:
        lines.append(f"{facts['clipped']:,} values beyond −1 … 1 were clipped; --encoding f32 keeps them")
    return "\n".join(lines)
