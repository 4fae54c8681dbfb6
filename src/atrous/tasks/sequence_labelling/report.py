"""The page's part on sites: precision over recall, the matrix beside, scores along the DNA, motifs of what is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import plots
from atrous.data.fasta import UNKNOWN
from atrous.data.motifs import around
from atrous.data.sites import STRANDS
from atrous.report import embed
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.sequence_labelling import baseline, metrics
from atrous.tasks.sequence_labelling.data import SequenceData, SequencePart, Stretch
from atrous.tasks.sequence_labelling.evaluation import score
from atrous.tasks.sequence_labelling.plan import Plan
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling

_SHOWN = 4  # windows that are drawn
_WINDOW = 2000  # bases of each
_TELLING = 3  # sites from which on a window is drawn rather than others
_RECALLS = np.linspace(0, 1, 101)
_LISTED = 10  # of what is called where no site is known
_FEW = 50  # sites of a type, below which figures may be chance
_GAP = 1.5  # times the test's AP, from which on validation's is told


@dataclass(frozen=True)
class Scored:
    """All that is said of a part.

    Args:
        part: The part.
        names: Of the types.
        network: (positions, types), probabilities.
        matrix: (positions, types), sums of log-odds.
        labels: (positions,).
    """

    part: SequencePart
    names: tuple[str, ...]
    network: NDArray[np.float32]
    matrix: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def place(self, index: int) -> tuple[Stretch, int]:
        """The stretch in which a position is, and where."""
        for stretch in self.part.stretches:
            if index < len(stretch):
                return stretch, index
            index -= len(stretch)
        raise IndexError(index)


def contents(run: Run, model: keras.Model, data: SequenceData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe, plan, names = cast(SequenceLabelling, run.config.recipe), data.plan, data.sites.types
    network, _ = score(model, data.test, plan)
    matrices = baseline.fit(data.train, names)
    said = Scored(data.test, names, network, baseline.scores(matrices, data.test), data.test.labels())
    pwm = baseline.of_run(run, data.train, data.test, names)
    section = render(
        __package__ or "",
        "sections.html",
        positions=f"{said.part.positions:,}",
        curves=[_curves(said, name, test) for name in names],
        table=_table(test, pwm, said),
        tracks=_tracks(said),
        window=f"{_WINDOW:,}",
        logos=[_logos(said, data.train, name) for name in names],
        called=_called(said),
        seen=_seen(plan, data.train, names),
        found=data.notes,
    )
    regions = " and ".join(f"{sum(map(len, data.regions[part])):,}" for part in ("train", "test"))
    sites = ", ".join(f"{row['sites']:,} {name}s" for name, row in test["classes"].items())
    return Contents(
        lead=f"Both strands of {regions} bases for training and test, with {sites} in the latter; each base is labelled from "
        f"{plan.context + 1:,}.",
        facts=[
            {"name": "Test AP", "value": f"{test['ap']:.3f}", "note": f"PWM: {pwm['ap']:.3f}"},
            {"name": "Top-k accuracy", "value": _percent(test["top_k"]), "note": f"PWM: {_percent(pwm['top_k'])}"},
            {"name": "Sees", "value": f"{plan.context + 1:,}", "note": "bases around each"},
        ],
        labels={"loss": "cross-entropy of a base", "ap": "average precision (AP)"},
        notes=[*_worth_notes(test, pwm), *_gap_notes(run, test), *_few_notes(test), *data.notes],
        sections=[section],
        choices=[
            f"SpliceNet {plan.variant}",
            "no dilation"
            if {rate for _, rate in plan.stages} == {1}
            else f"rates {', '.join(str(rate) for _, rate in plan.stages)}",
            f"{recipe.filters} channels",
            f"{recipe.windows:,} windows of {recipe.window:,} bases an epoch, {_percent(recipe.around, 0)} around a site",
            f"{_percent(recipe.mutate, 0)} of the bases replaced",
        ],
        layers="Sizes are bases × channels; the receptive field is in bases.",
    )


def _curves(said: Scored, name: str, test: Mapping[str, Any]) -> dict[str, Any]:
    """Precision over recall of one type."""
    label = said.names.index(name)
    truth = said.labels == label + 1
    row = test["classes"][name]
    curves = {
        way: metrics.precision_at(scores[:, label], truth, _RECALLS.tolist())
        for way, scores in (("this network", said.network), ("PWM", said.matrix))
    }
    axes = plots.precision_curves(curves, point=(row["top_k"], row["top_k"]), note="top k")
    alt = f"Precision over recall for {name}s: this network's average is {row['ap']:.3f}."
    return {"name": name, "svg": embed.svg(axes, name=f"curve-{label}", alt=alt)}


def _table(test: Mapping[str, Any], pwm: Mapping[str, Any], said: Scored) -> list[dict[str, Any]]:
    rows = []
    for way, figures in (("this network", test), ("position weight matrix (PWM)", pwm)):
        for name, row in figures["classes"].items():
            rows.append(
                {
                    "way": way,
                    "name": name,
                    "ap": f"{row['ap']:.3f}",
                    "top_k": _percent(row["top_k"]),
                    "sites": f"{row['sites']:,}",
                    "first": way == "this network",
                }
            )
        rows.append(
            {
                "way": way,
                "name": "mean",
                "ap": f"{figures['ap']:.3f}",
                "top_k": _percent(figures["top_k"]),
                "sites": f"{sum(row['sites'] for row in figures['classes'].values()):,}",
                "first": way == "this network",
            }
        )
    chance = [row["sites"] / said.part.positions for row in test["classes"].values()]
    rows.append(
        {
            "way": "chance",
            "name": "mean",
            "ap": f"{np.mean(chance):.5f}",
            "top_k": f"{100 * np.mean(chance):.3f} %",
            "sites": "",
            "first": False,
        }
    )
    return rows


def _tracks(said: Scored) -> list[dict[str, Any]]:
    """Windows with sites, from those whose sites have the highest scores to those with the lowest."""
    names = said.names[:2]
    every: list[tuple[float, int, Stretch, int, int]] = []
    start = 0
    for stretch in said.part.stretches:
        for first in range(0, max(1, len(stretch) - _WINDOW + 1), _WINDOW):
            labels = said.labels[start + first : start + min(first + _WINDOW, len(stretch))]
            places = np.flatnonzero(labels)
            if len(places):
                scores = said.network[start + first + places, labels[places].astype(int) - 1]
                every.append((float(scores.mean()), len(places), stretch, start, first))
        start += len(stretch)
    telling = [each for each in every if each[1] >= _TELLING]
    ranked = sorted(telling if len(telling) >= _SHOWN else every, key=lambda each: -each[0])
    spread: list[int] = np.unique(
        np.linspace(0, max(0, len(ranked) - 1), min(len(ranked), _SHOWN)).round().astype(int)
    ).tolist()
    return [_track(said, names, *ranked[place][2:]) for place in spread]


def _track(said: Scored, names: Sequence[str], stretch: Stretch, start: int, first: int) -> dict[str, Any]:
    inside = slice(start + first, start + min(first + _WINDOW, len(stretch)))
    labels = said.labels[inside]
    highest = said.matrix.max(axis=0)
    axes = plots.score_track(
        {name: said.network[inside, i] for i, name in enumerate(names)},
        {name: np.flatnonzero(labels == i + 1).tolist() for i, name in enumerate(names)},
        first=stretch.position(first),
        step=1 if stretch.strand == 0 else -1,
        baseline={name: np.clip(said.matrix[inside, i] / highest[i], 0, 1) for i, name in enumerate(names)},
        least=0.3,
    )
    name = f"{stretch.record.name}, {STRANDS[stretch.strand]} strand, from {stretch.position(first):,}"
    known = [name for i, name in enumerate(names) for _ in range(int((labels == i + 1).sum()))]
    told = ", ".join(f"{known.count(each)} {each}{'s' * (known.count(each) > 1)}" for each in dict.fromkeys(known))
    return {
        "name": name,
        "sites": told,
        "svg": embed.svg(axes, name=f"track-{start + first}", alt=f"Scores along {_WINDOW:,} bases of {name}, with {told}."),
    }


def _logos(said: Scored, train: SequencePart, name: str) -> dict[str, Any]:
    """Bases around the k highest scores, and around the sites for training."""
    label = said.names.index(name)
    offsets = baseline.span_of(name)
    k = max(1, int((said.labels == label + 1).sum()))
    best = np.argsort(-said.network[:, label], kind="stable")[:k]
    called = np.zeros((len(offsets), UNKNOWN))
    for index in best:
        stretch, place = said.place(int(index))
        called += _bases(stretch, np.array([place]), offsets)
    known = sum(
        (_bases(each, each.places[each.labels == label + 1], offsets) for each in train.stretches), np.zeros_like(called)
    )
    drawn = {
        way: embed.svg(
            plots.sequence_logo(counts + 1e-9, first=offsets[0]),
            name=f"{way}-{label}",
            alt=f"Bases around {name}s: {words}.",
        )
        for way, counts, words in (("called", called, f"the {k} called first"), ("known", known, "those for training"))
    }
    return {"name": name, "k": f"{k:,}", **drawn}


def _bases(stretch: Stretch, places: NDArray[np.int64], offsets: range) -> NDArray[np.float64]:
    positions = np.array([stretch.position(int(place)) for place in places], np.int64)
    found = around(stretch.record.codes, positions, np.full(len(positions), stretch.strand), offsets)
    return np.stack([(found == code).sum(axis=0) for code in range(UNKNOWN)], axis=1).astype(float)


def _called(said: Scored) -> list[dict[str, str]]:
    """What is called first where no site is known."""
    rows = []
    for label, name in enumerate(said.names):
        order = np.argsort(-np.where(said.labels == label + 1, -1, said.network[:, label]), kind="stable")[:_LISTED]
        for index in order:
            stretch, place = said.place(int(index))
            rows.append((float(said.network[index, label]), name, stretch, place))
    rows.sort(key=lambda row: -row[0])
    return [
        {
            "score": f"{value:.3f}",
            "name": name,
            "record": stretch.record.name,
            "position": f"{stretch.position(place):,}",
            "strand": STRANDS[stretch.strand],
            "near": _near(stretch, place),
        }
        for value, name, stretch, place in rows[:_LISTED]
    ]


def _near(stretch: Stretch, place: int) -> str:
    """How far the next site of the strand is."""
    if not len(stretch.places):
        return "–"
    return f"{int(np.abs(stretch.places - place).min()):,}"


def _seen(plan: Plan, train: SequencePart, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the network sees, what the matrix sees, and how far sites are from one another, as bars of one scale."""
    gaps = np.concatenate([np.diff(each.places) for each in train.stretches])
    lengths = [
        ("the network", plan.context + 1),
        *((f"PWM, {name}", len(baseline.span_of(name))) for name in names),
        *([("from a site to the next, median", int(np.median(gaps)))] if len(gaps) else []),
        *([("nine in ten are nearer", int(np.quantile(gaps, 0.9)))] if len(gaps) else []),
    ]
    longest = max(length for _, length in lengths)
    return [{"name": name, "values": (f"{n:,}",), "percent": f"{100 * n / longest:.1f}"} for name, n in lengths]


def _worth_notes(test: Mapping[str, Any], pwm: Mapping[str, Any]) -> list[str]:
    if test["ap"] > pwm["ap"]:
        return []
    return [
        f"A position weight matrix finds sites better, AP {pwm['ap']:.3f} against {test['ap']:.3f}: the network isn't worth "
        "its trouble yet. More sites, more --epochs or a smaller --variant may help."
    ]


def _gap_notes(run: Run, test: Mapping[str, Any]) -> list[str]:
    best = run.best(run.metrics)
    if best is None or best["val_ap"] < _GAP * test["ap"]:
        return []
    return [
        f"Validation AP, {best['val_ap']:.3f}, is far above the test's, {test['ap']:.3f}: the stretches differ. Where sites "
        "are rarer AP is lower for the same network, and sites that nobody annotated count as errors."
    ]


def _few_notes(test: Mapping[str, Any]) -> list[str]:
    few = [f"{row['sites']} {name}s" for name, row in test["classes"].items() if row["sites"] < _FEW]
    return [f"The test has only {' and '.join(few)}: its figures may be chance."] if few else []


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"
