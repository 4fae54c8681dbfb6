"""Signals out of networks that predict the next sample from those before it, such as WaveNet.

Each step hears one sample more, says what the next one may be, and what is drawn from that is the next sample that it hears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from atrous.models.wavenet import LEAST_LOG_SCALE
from atrous.spec import parse_integer
from atrous.streaming import conditions as conditioning
from atrous.streaming.sampling import Array, Kind, Sampler, as_drawn, as_fed, kind_of
from atrous.streaming.stream import Stream

Given = list[tuple[bool, Array]]
"""Conditions: whether each is in time, and its values."""


def generate(
    model: keras.Model,
    samples: int,
    *,
    batch_size: int = 1,
    seed: int = 0,
    temperature: float = 1.0,
    primer: Any = None,
    conditions: Mapping[str, Any] | Sequence[Any] | None = None,
    head: str | None = None,
    progress: Callable[[int], None] | None = None,
    engine: str | None = None,
) -> Array:
    """Generates signals, sample by sample.

    Example:
        codes = generate(model, 16000, seed=1, temperature=0.9)
        sound = atrous.models.wavenet.mu_law_decode(codes)

    Args:
        model: Takes codes or samples first, then what it is conditioned on, and says what the next sample is: see `kind_of`.
        samples: How many.
        batch_size: Signals side by side.
        seed: The same seed gives the same samples, by the same engine on the same machine; sequence i draws the same numbers in
            batches of any size. Both engines draw the same but round otherwise, so that sooner or later they may part.
        temperature: Divides the logits of codes, or multiplies the scales of logistics: below 1, what is likely is drawn more
            often. 0 takes the likeliest code, or the middle of the likeliest logistic. To regression it is nothing.
        primer: What the signals go on from: codes, (batch or 1, time), or samples, (batch or 1, time, channels), as they are
            returned. By default a sample of silence, or the middle code.
        conditions: The model's other inputs, by name or in order, each for the batch or for 1. Those in time hold a row for
            each sample that is heard, the primer's and all drawn but the last, or in proportion if the model brings them up to
            the sample rate; further rows are not looked at.
        head: What the model's output means, if its shape doesn't say: see `kind_of`.
        progress: Is told how many samples there are, now and then.
        engine: "native", "functional", or `None` for the native one where it can.

    Returns:
        What comes after the primer: (batch, samples) codes, int32; or (batch, samples, channels), float32.

    Raises:
        ValueError: An argument breaks its rule, or the model can't be streamed.
    """
    _, made = generate_blocks(
        model,
        samples,
        batch_size=batch_size,
        seed=seed,
        temperature=temperature,
        primer=primer,
        conditions=conditions,
        head=head,
        engine=engine,
    )
    blocks, done = [], 0
    for block in made:
        blocks.append(block)
        done += block.shape[1]
        if progress is not None:
            progress(done)
    return np.concatenate(blocks, axis=1)


def generate_blocks(
    model: keras.Model,
    samples: int,
    *,
    batch_size: int = 1,
    seed: int = 0,
    temperature: float = 1.0,
    primer: Any = None,
    conditions: Mapping[str, Any] | Sequence[Any] | None = None,
    head: str | None = None,
    engine: str | None = None,
) -> tuple[Stream, Iterator[Array]]:
    """As `generate`, but block by block: the stream that makes them, and what gives them. Arguments are checked before that."""
    kind = kind_of(model, head)
    samples, batch_size = parse_integer("samples", samples), parse_integer("batch_size", batch_size)
    seed = parse_integer("seed", seed, minimum=0)
    if not 0 <= temperature < np.inf:
        raise ValueError(f"`temperature` must be 0 or more. Received: temperature={temperature}.")
    heard = _primed(primer, kind, batch_size)
    values = conditioning.checked(model, conditions, batch_size)
    core, given = conditioning.at_sample_rate(model, values, heard.shape[1] + samples - 1)
    live = Stream(core, batch_size, engine=engine, check_finite=False)  # type: ignore[arg-type]
    if live.input_block > 1:
        raise ValueError(
            f"`model` must take one sample a step, to hear what it says. Received: a model that takes {live.input_block}."
        )
    sampler = Sampler(kind, temperature, seed, batch_size)
    return live, _blocks(live, sampler, heard, given, samples)


def _blocks(live: Stream, sampler: Sampler, heard: Array, given: Given, samples: int) -> Iterator[Array]:
    """Hears the primer, and then what it draws."""
    draws = _Native(live, sampler) if live.engine == "native" and sampler.kind.feeds_what_it_draws else _Stepwise(live, sampler)
    at = heard.shape[1] - 1
    if at:
        live.step([heard[:, :-1], *(x[:, :at] if timed else x for timed, x in given)])
    fed = heard[:, -1:]
    for begin in range(0, samples, draws.block):
        steps = min(draws.block, samples - begin)
        drawn, fed = draws(fed, [(timed, x[:, at : at + steps] if timed else x) for timed, x in given], steps)
        at += steps
        yield drawn


class _Stepwise:
    """Draws in Python: a step of the stream a sample."""

    block = 50

    def __init__(self, live: Stream, sampler: Sampler) -> None:
        self.live, self.sampler = live, sampler

    def __call__(self, fed: Array, given: Given, steps: int) -> tuple[Array, Array]:
        """What is drawn in so many steps, and what is to be heard next."""
        drawn = []
        for t in range(steps):
            now = [x[:, t : t + 1] if timed else x for timed, x in given]
            drawn.append(self.sampler.draw(np.asarray(self.live.step([fed, *now]))[:, 0]))
            fed = as_fed(drawn[-1][:, None], self.sampler.kind)
        return np.stack(drawn, axis=1), fed


class _Native:
    """Draws in the native core, many samples a call."""

    block = 1000

    def __init__(self, live: Stream, sampler: Sampler) -> None:
        self.engine, self.sampler, kind = live._engine, sampler, sampler.kind
        self.random = np.array([random.state for random in sampler.random], np.uint64)
        self.table = as_fed(np.arange(kind.classes)[None], kind)[0] if kind.draws_codes and kind.takes != "codes" else None

    def __call__(self, fed: Array, given: Given, steps: int) -> tuple[Array, Array]:
        """What is drawn in so many steps, and what is to be heard next."""
        drawn, fed = self.engine.generate(
            steps,
            self.sampler.kind.head,
            self.random,
            fed[:, 0],
            [x for _, x in given],
            self.sampler.temperature,
            self.table,
            LEAST_LOG_SCALE,
        )
        return drawn, fed[:, None]


def _primed(primer: Any, kind: Kind, batch_size: int) -> Array:
    """What the network hears before it is asked."""
    if primer is None:
        return as_fed(as_drawn(np.zeros((batch_size, 1, kind.channels), np.float32), kind), kind)
    primer = np.asarray(primer)
    wanted = "(batch or 1, time) codes" if kind.draws_codes else f"(batch or 1, time, {kind.channels})"
    fits = primer.ndim == 2 if kind.draws_codes else primer.ndim == 3 and primer.shape[2] == kind.channels
    if not fits or primer.shape[0] not in (1, batch_size) or not primer.shape[1]:
        raise ValueError(f"`primer` must be {wanted}, of one step at least. Received: shape {primer.shape}.")
    if kind.draws_codes and (primer.dtype.kind not in "iu" or primer.min() < 0 or primer.max() >= kind.classes):
        raise ValueError(
            f"`primer` must be codes from 0 to {kind.classes - 1}. "
            f"Received: {primer.dtype}, from {primer.min()} to {primer.max()}."
        )
    return as_fed(np.broadcast_to(primer, (batch_size, *primer.shape[1:])), kind)
