"""A stream from where sound comes to where its answers go, at the pace it comes, and how fast that was."""

from __future__ import annotations

import contextlib
import csv
import math
import signal
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TextIO

import keras
import numpy as np

from atrous.models.wavenet import mu_law_compress, mu_law_encode
from atrous.streaming.sampling import classes_of
from atrous.streaming.sound.audio import Reader, Writer
from atrous.streaming.sound.encodings import Samples
from atrous.streaming.stream import Stream


@dataclass(frozen=True)
class Figures:
    """How a stream ran.

    Args:
        engine: "native" or "functional".
        why_not_native: The reason, if it isn't native.
        sample_rate: Of the model's input, in Hz.
        samples: How many were heard.
        steps: How many the model gave.
        block: Samples that were waited for at most.
        lookahead: Samples that the model waits for beyond the one it speaks of.
        latency: Both together: how many samples an answer comes behind at most, computing aside.
        latency_ms: The same in ms.
        block_ms: How long the model took for a block, in ms: `p50`, `p99`, `max`.
        real_time_factor: Seconds of sound a second of computing.
        stopped: Whether it was asked to stop before the sound ended.
    """

    engine: str
    why_not_native: str | None
    sample_rate: int
    samples: int
    steps: int
    block: int
    lookahead: int
    latency: int
    latency_ms: float
    block_ms: dict[str, float]
    real_time_factor: float
    stopped: bool


@dataclass(frozen=True)
class Signal:
    """What a model takes.

    Args:
        channels: Of the sound.
        classes: How many codes, of a model that takes codes; 0 of one that takes samples.
        curve: Of how many mu-law codes the curve is that samples are brought to, by the model's attribute `mu_law`; 0: to none.
    """

    channels: int
    classes: int = 0
    curve: int = 0

    def taken(self, sound: Samples) -> Samples:
        """What the model takes, (1, time, channels) or codes (1, time), of (time, channels) samples."""
        if self.curve:
            compressed: Samples = np.asarray(keras.ops.convert_to_numpy(mu_law_compress(sound[None], self.curve)))
            return compressed
        if not self.classes:
            return sound[None]
        codes: Samples = np.asarray(keras.ops.convert_to_numpy(mu_law_encode(sound[None, :, 0], self.classes)))
        return codes


def signal_of(model: keras.Model) -> Signal:
    """What a model takes.

    Raises:
        ValueError: It isn't one signal.
    """
    shapes = [tuple(x.shape) for x in model.inputs]
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][2] is not None:
        return Signal(shapes[0][2], curve=int(getattr(model, "mu_law", None) or 0))
    if len(shapes) == 1 and len(shapes[0]) == 2 and "int" in model.inputs[0].dtype:
        return Signal(1, classes_of(model))
    raise ValueError(
        f"`model` must take one signal, (batch, time, channels) or codes (batch, time). Received: inputs of shapes {shapes}."
    )


class RowWriter:
    """Writes a row of CSV a step: `seconds`, then, if the values have names, `label`, the largest one's, then all values.

    Args:
        file: Takes the text; what is written is flushed, so that a pipe gets it at once.
        names: Of the values.
        channels: How many values a step has.
        every: Steps a row: the last of so many is written.
    """

    def __init__(self, file: TextIO, names: Sequence[str] | None, channels: int, every: int = 1) -> None:
        self._file, self._names, self._csv = file, names, csv.writer(file, lineterminator="\n")
        self._every, self._seen = every, 0
        self._csv.writerow(["seconds", *(["label"] if names else []), *(names or range(channels))])
        file.flush()

    def write(self, values: Samples, seconds: Samples) -> None:
        """Appends a row for each of (steps, channels) values."""
        first = self._every - 1 - self._seen % self._every
        self._seen += len(values)
        for row, second in zip(values[first :: self._every], seconds[first :: self._every], strict=True):
            label = [self._names[int(row.argmax())]] if self._names else []
            self._csv.writerow([f"{second:.6f}", *label, *(f"{value:.6g}" for value in row)])
        self._file.flush()


class Interrupt:
    """Ctrl-C, kept until a block is done: a stream that is stopped in the middle of a step would have lost its place.

    While the stream waits for sound it stops at once; so it does at the second Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = self._waiting = False

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Where Ctrl-C is kept; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def wait(self, read: Callable[..., Samples], *args: int) -> Samples | None:
        """What `read` gives; `None` if a stop is asked for before that."""
        self._waiting = True
        try:
            return None if self.asked else read(*args)
        except KeyboardInterrupt:
            return None
        finally:
            self._waiting = False

    def _ask(self, *_: Any) -> None:
        again, self.asked = self.asked, True
        if self._waiting or again:
            raise KeyboardInterrupt


def run(
    stream: Stream,
    taking: Signal,
    reader: Reader,
    writer: Writer,
    sample_rate: int,
    block: int,
    *,
    skip: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Figures:
    """Runs sound through a stream until it ends or Ctrl-C comes; what is left in the stream is flushed then, too.

    The native engine takes what has come; the functional one, which is compiled for a size, takes whole blocks. A signal that
    ends within a model's step is filled up with silence, and gives as many steps as its length makes, rounded up.

    Args:
        stream: Of batch size 1.
        taking: What its model takes.
        reader: Where sound comes from.
        writer: Where outputs go to.
        sample_rate: Of the reader, in Hz.
        block: Samples a step at most, a multiple of `stream.input_block`.
        skip: Steps at the begin that aren't written: answers to what the stream was warmed up with.
        progress: Is told the samples heard so far.

    Raises:
        ValueError: A sample isn't finite; the message says which.
    """
    taken, multiple = array("d"), stream.input_block if stream.engine == "native" else block
    out, stop, heard = _Out(writer, steps_a_sample(stream), sample_rate, skip), Interrupt(), 0
    with stop.caught():
        while True:
            sound = stop.wait(reader.read, block, multiple)
            ends = sound is None
            sound = reader.rest() if sound is None else sound
            if not len(sound):
                break
            _check_finite(sound, heard, sample_rate)
            heard += len(sound)
            given = taking.taken(filled(sound, stream.input_block))
            before = time.perf_counter()
            made = stream.step(given)
            taken.append(time.perf_counter() - before)
            out.give(made, heard)
            if progress:
                progress(heard)
            if ends:
                break
        out.give(stream.flush(), heard)
    times = np.asarray(taken) if len(taken) else np.zeros(1)
    p50, p99 = np.percentile(times, [50, 99])
    return Figures(
        engine=stream.engine,
        why_not_native=stream.why_not_native,
        sample_rate=sample_rate,
        samples=heard,
        steps=out.written,
        block=block,
        lookahead=stream.latency,
        latency=block + stream.latency,
        latency_ms=1e3 * (block + stream.latency) / sample_rate,
        block_ms={"p50": 1e3 * p50, "p99": 1e3 * p99, "max": 1e3 * times.max()},
        real_time_factor=heard / sample_rate / (times.sum() or math.inf),
        stopped=stop.asked,
    )


def steps_a_sample(stream: Stream) -> Fraction | None:
    """How many steps the model gives for a sample; `None` if it gives one answer to all that it heard."""
    flow = stream.plan.outputs[0]
    return None if flow is None else flow.ratio


def channels_of(stream: Stream) -> int:
    """How many values a step of the output has.

    Raises:
        ValueError: The model has several outputs, or values in more than one dim.
    """
    plan = stream.plan
    shapes = [plan.graph.shapes[key] for key in plan.graph.outputs]
    if len(shapes) != 1 or (plan.outputs[0] is not None and (plan.outputs[0].dim, len(shapes[0])) != (0, 2)):
        raise ValueError(
            f"`model` must have one output, (batch, time, channels), or (batch, channels) of all it heard. "
            f"Received: outputs of shapes {shapes}."
        )
    return math.prod(shapes[0]) if plan.outputs[0] is None else shapes[0][1]


def warm_up(stream: Stream, taking: Signal, block: int, sound: Samples | None = None) -> int:
    """Makes a stream ready: what is compiled for blocks of a size has been, and the stream has heard `sound`.

    Returns:
        How many of the steps to come are still answers to `sound`.
    """
    for _ in range(2):  # the functional engine compiles for a size when it comes again
        stream.step(taking.taken(np.zeros((block, taking.channels), np.float32)))
    stream.reset()
    if sound is None or not len(sound):
        return 0
    missing, given = -len(sound) % stream.input_block, 0
    sound = np.pad(sound, [(missing, 0), (0, 0)])
    for begin in range(0, len(sound), block):
        made = stream.step(taking.taken(sound[begin : begin + block]))
        given += np.shape(made)[1]
    ratio = steps_a_sample(stream)
    return 0 if ratio is None else int(len(sound) * ratio) - given


class _Out:
    """Brings what a model gives to a writer, with the time that it is about."""

    def __init__(self, writer: Writer, ratio: Fraction | None, sample_rate: int, skip: int) -> None:
        self._writer, self._ratio, self._rate, self._skip = writer, ratio, sample_rate, skip
        self.written = 0

    def give(self, made: Any, heard: int) -> None:
        """Writes (1, steps, channels), or the answer to all that was heard, (1, channels)."""
        if made is None:  # an answer to all that was heard has nothing to follow
            return
        values: Samples = np.asarray(made, np.float32)
        if self._ratio is None:
            self._writer.write(values.reshape(1, -1), np.array([heard / self._rate]))
            self.written += 1
            return
        values = values[0, self._skip :]
        self._skip -= min(self._skip, np.shape(made)[1])
        values = values[: math.ceil(heard * self._ratio) - self.written]
        if len(values):
            ends = self.written + 1 + np.arange(len(values))
            self._writer.write(values, ends / float(self._ratio * self._rate))
            self.written += len(values)


def filled(sound: Samples, multiple: int) -> Samples:
    """With as much silence behind it as makes its length a multiple."""
    missing = -len(sound) % multiple
    return np.pad(sound, [(0, missing), (0, 0)]) if missing else sound


def _check_finite(sound: Samples, before: int, sample_rate: int) -> None:
    finite = np.isfinite(sound)
    if not finite.all():
        at, channel = np.argwhere(~finite)[0]
        raise ValueError(
            f"`input` must be finite. Received: {sound[at, channel]} in sample {before + at} "
            f"({(before + at) / sample_rate:.4f} s), channel {channel}."
        )
