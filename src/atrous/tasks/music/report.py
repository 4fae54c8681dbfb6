"""The page's part on music: piano rolls, what is known without a network, and by position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from atrous import plots
from atrous.report import embed
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.music.data import MusicData
from atrous.tasks.music.loss import frequencies, nll, transitions
from atrous.tasks.music.recipe import Music
from atrous.tasks.sequence_modelling.report import LAYERS, choices, field_section
from atrous.tasks.sequence_modelling.sequences import SequencePart, outputs

_STEPS = 128  # of a piece, that are drawn
_LISTED = 40
_POINTS = 60  # of the curve by position
_ENOUGH = 5  # pieces, for a mean by position


def contents(run: Run, model: keras.Model, data: MusicData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe = cast(Music, run.config.recipe)
    said = dict(outputs(model, data.test))
    each = [float(nll(data.test.targets[row], said[row]).mean()) for row in range(len(data.test))]
    ranked = np.argsort(each, kind="stable")
    chosen = dict.fromkeys([int(ranked[len(ranked) // 2]), int(ranked[-1])])
    frequency, transition = _without(data)
    positions, window = _positions(data.test, said)
    section = render(
        __package__ or "",
        "sections.html",
        pieces=[_drawn(data.test, said[row], row, each[row]) for row in chosen],
        steps=test["steps"],
        examples=test["examples"],
        table=[
            {"name": "this network", "nll": f"{test['nll']:.3f}", "own": True},
            {"name": "whether each key sounded in the last step", "nll": f"{transition:.3f}", "own": False},
            {"name": "how often each key sounds", "nll": f"{frequency:.3f}", "own": False},
        ],
        positions=positions,
        window=window,
        skipped=[why for _, why in data.skipped[:_LISTED]],
    )
    lengths = data.test.lengths
    field = field_section(
        recipe,
        "A network sees no more of a piece than its field; whether more would help, only trying tells.",
        {"a piece of the test, median": int(np.median(lengths)), "the longest": int(lengths.max())},
    )
    steps = sum(int(part.lengths.sum()) for part in (data.train, data.validation, data.test))
    pieces = sum(map(len, (data.train, data.validation, data.test)))
    return Contents(
        lead=f"{steps:,} steps of {pieces:,} pieces.",
        facts=[
            {"name": "Test NLL", "value": f"{test['nll']:.3f}", "note": "nats a step, 88 keys"},
            {"name": "Last step's keys", "value": f"{transition:.2f}", "note": "without a network"},
            {"name": "Frame accuracy", "value": f"{test['frame_accuracy']:.1%}", "note": "of keys above a half"},
            {"name": "Sees", "value": "all" if recipe.field is None else f"{recipe.field:,}", "note": "steps"},
        ],
        labels={"loss": "NLL, nats a step"},
        notes=_notes(test, transition, data),
        sections=[section, field],
        choices=choices(recipe),
        layers=LAYERS,
    )


def _without(data: MusicData) -> tuple[float, float]:
    """Test NLL by how often each key sounds in the training part, and by whether it sounded in the last step."""
    frequency, (off, on) = frequencies(data.train), transitions(data.train)
    sums = np.zeros(2)
    for before, roll in zip(data.test.inputs, data.test.targets, strict=True):
        sums[0] += nll(roll, np.broadcast_to(frequency, roll.shape)).sum()
        sums[1] += nll(roll, np.where(before > 0, on, off)).sum()
    return tuple((sums / data.test.lengths.sum()).tolist())


def _drawn(part: SequencePart, logits: NDArray[np.float64], row: int, mean: float) -> dict[str, Any]:
    roll = part.targets[row][:_STEPS]
    drawn = f"its first {_STEPS} steps of {part.lengths[row]:,}, " if part.lengths[row] > _STEPS else ""
    probabilities = 1 / (1 + np.exp(-logits[:_STEPS]))
    svg = embed.svg(
        plots.piano_roll(roll, probabilities, first=2),
        name=f"piece-{row}",
        alt=f"Piano roll of {part.names[row]}, and the probabilities said before each step; NLL {mean:.2f}.",
    )
    return {"svg": svg, "name": f"{part.names[row]}, {drawn}NLL {mean:.3f}."}


def _positions(part: SequencePart, said: Mapping[int, NDArray[np.float64]]) -> tuple[Markup, int]:
    """The curve by position, as far as there are pieces, and how many steps a point of it stands for."""
    longest = int(np.sort(part.lengths)[-min(_ENOUGH, len(part))])
    window = max(1, -(-longest // _POINTS))
    sums, counts = np.zeros(-(-longest // window)), np.zeros(-(-longest // window))
    for row in range(len(part)):
        found = nll(part.targets[row], said[row])[:longest]
        place = np.arange(len(found)) // window
        np.add.at(sums, place, found)
        np.add.at(counts, place, 1)
    means = sums / np.maximum(counts, 1)
    axes = plots.by_position(
        (2 + window * np.arange(len(means))).tolist(), means.tolist(), label="NLL", position="step of the piece"
    )
    alt = f"NLL by step of the piece: {means[0]:.2f} at first, {means[-1]:.2f} at step {longest + 1:,}."
    return embed.svg(axes, name="positions", alt=alt), window


def _notes(test: Mapping[str, Any], transition: float, data: MusicData) -> list[str]:
    told = []
    if test["nll"] >= transition:
        told.append(
            f"Whether each key sounded in the last step tells as much, {transition:.3f}: the network isn't worth its trouble "
            "yet. More epochs, or less --dropout, may help."
        )
    if data.skipped:
        told.append(f"{len(data.skipped):,} pieces were left out; the reasons are below.")
    return [*told, *data.notes]
