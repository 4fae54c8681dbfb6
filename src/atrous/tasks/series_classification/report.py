"""The page's part on classified series: confusion, series drawn, nearest neighbours, what the network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import plots
from atrous.data.ts import filled
from atrous.models.series_classifier import HEAD, POOL, TRUNK
from atrous.report import embed
from atrous.report.classes import balanced_fact, confusion_section, percent
from atrous.report.facts import accuracy
from atrous.report.notes import class_notes
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.series_classification import baselines
from atrous.tasks.series_classification.baselines import Baseline
from atrous.tasks.series_classification.batches import padded, probabilities
from atrous.tasks.series_classification.data import LabelledSeries
from atrous.tasks.series_classification.plan import Plan
from atrous.tasks.series_classification.recipe import SeriesClassification

_SHOWN = 6  # series right, and as many wrong
_CHANNELS = 6  # of them that are drawn
_LISTED = 40  # notes


def contents(run: Run, model: keras.Model, data: LabelledSeries, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe, plan = cast(SeriesClassification, run.config.recipe), data.plan
    said = probabilities(model, data.test.series, plan)
    others = baselines.of_run(run, data)
    right, wrong = chosen(said, data.test.labels)
    confusion = np.asarray(test["confusion"])
    lengths = [len(each) for each in (*data.train.series, *data.test.series)]
    drawn = [_drawn(model, data, said, i) for i in [*wrong, *right]]
    section = render(
        __package__ or "",
        "sections.html",
        examples=len(said),
        wrong=drawn[: len(wrong)],
        right=drawn[len(wrong) :],
        hidden=max(0, data.channels - _CHANNELS),
        table=_table(test, others),
        told=[each.note for each in others if each.note],
        seen=_seen(plan, lengths),
        found=data.notes[:_LISTED],
        skipped=[why for _, why in data.skipped[:_LISTED]],
    )
    span = f"{max(lengths):,}" if min(lengths) == max(lengths) else f"{min(lengths):,} to {max(lengths):,}"
    channels = "" if data.channels == 1 else f" in {data.channels} channels"
    best = baselines.best_of(others)
    return Contents(
        lead=f"{len(data.train.series):,} training series of {span} steps{channels}, {len(data.class_names)} classes.",
        facts=[
            accuracy(test),
            *([] if best is None else [_beside(test, best)]),
            *balanced_fact(test),
            {"name": "Test series", "value": f"{test['examples']:,}", "note": f"loss {test['loss']:.3f}"},
        ],
        labels={"loss": "loss (cross-entropy)", "accuracy": "accuracy (share)"},
        notes=[
            *_worth_notes(test, others),
            *class_notes(confusion, data.class_names),
            *_field_notes(plan, recipe),
            *_data_notes(data),
        ],
        sections=[confusion_section(confusion, data.class_names), section],
        choices=[
            f"rates {', '.join(map(str, plan.rates))}"
            if set(plan.rates) != {1}
            else f"{len(plan.rates)} blocks without dilation",
            *([f"a first stride of {plan.stride}"] if plan.stride > 1 else []),
            "each series scaled by itself" if plan.per_case else "scaled by all training series",
            f"augmentation: {' and '.join(recipe.augment) or 'none'}",
            *([f"{recipe.class_weights} class weights"] if recipe.class_weights != "none" else []),
            *([] if data.held_out else ["no training series held out"]),
        ],
        layers="Sizes are steps × channels; the receptive field is in steps of the series.",
        network=model.get_layer(TRUNK),
    )


def chosen(said: NDArray[np.float32], labels: NDArray[np.int64], count: int = _SHOWN) -> tuple[list[int], list[int]]:
    """Examples to show: right ones, of as many classes as possible, and mistakes, the most confident first."""
    predicted, confidence = said.argmax(axis=1), said.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    turns: dict[int, int] = {}
    ranked = []
    for i in np.flatnonzero(predicted == labels):
        turns[labels[i]] = turns.get(labels[i], 0) + 1
        ranked.append((turns[labels[i]], int(labels[i]), int(i)))
    right = sorted(sorted(ranked)[:count], key=lambda each: each[1:])
    return [i for _, _, i in right], wrong.tolist()


def evidence(model: keras.Model, series: NDArray[np.float32], plan: Plan, first: int, second: int) -> NDArray[np.float64]:
    """What each step adds to the score of a class, less what it adds to another's: (steps,).

    The mean over the steps, and the difference of the biases, make the difference of the logits: the class activation maps of
    Zhou et al. 2016 (arXiv 1512.04150), which are exact where the mean over all steps is all that the last layer is given.

    Args:
        model: As `network.build` makes it.
        series: (steps, channels), none missing.
        plan: Of the run.
        first: The class.
        second: The other.
    """
    features = keras.Model(model.input, model.get_layer(POOL).input[0])
    found = np.asarray(features.predict_on_batch(padded([series], plan.steps, plan.stride)), np.float64)[0]
    kernel = np.asarray(keras.ops.convert_to_numpy(model.get_layer(HEAD).kernel), np.float64)
    added = found @ (kernel[:, first] - kernel[:, second])
    return np.repeat(added, plan.stride)[: len(series)]


def _drawn(model: keras.Model, data: LabelledSeries, said: NDArray[np.float32], i: int) -> dict[str, Any]:
    """One series, its most probable class against the true one, or, if that is right, against the second."""
    order = np.argsort(-said[i], kind="stable")
    true, first = int(data.test.labels[i]), int(order[0])
    second = int(order[1]) if first == true else true
    series = filled(data.test.series[i])
    axes = plots.evidence(series[:, :_CHANNELS], evidence(model, series, data.plan, first, second))
    names = data.class_names
    claim = f"Predicted {names[first]} ({percent(float(said[i, first]))})"
    other = f"{names[second]} ({percent(float(said[i, second]))})"
    told = f"{claim}, is {other}" if first != true else f"{claim}, rightly; next is {other}"
    return {
        "name": data.test.names[i],
        "told": told,
        "svg": embed.svg(
            axes,
            name=f"series-{i}",
            alt=f"{data.test.names[i]}: {told}. Thick where it speaks for one of the two.",
        ),
    }


def _beside(test: Mapping[str, Any], best: Baseline) -> dict[str, str]:
    gain = 100 * (test["accuracy"] - (best.accuracy or 0.0))
    return {
        "name": f"Beside {best.name.partition(' within')[0]}",
        "value": f"{gain:+.1f} points".replace("-", "\u2212"),
        "note": _share(best.accuracy),
    }


def _table(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[dict[str, Any]]:
    rows = [
        {"name": "this network", **_figures(test["accuracy"], test["macro_f1"]), "of": f"{test['examples']:,}", "first": True}
    ]
    for each in others:
        done, every = each.examples
        of = f"{done:,}" if done == every else f"{done:,} of {every:,}"
        rows.append({"name": each.name, **_figures(each.accuracy, each.macro_f1), "of": of, "first": False})
    return rows


def _figures(share: float | None, macro_f1: float | None) -> dict[str, str]:
    return {
        "accuracy": _share(share),
        "percent": f"{100 * (share or 0.0):.1f}",
        "macro_f1": "–" if macro_f1 is None else f"{macro_f1:.3f}",
    }


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _seen(plan: Plan, lengths: Sequence[int]) -> list[dict[str, Any]]:
    """Field and lengths, as bars of one scale."""
    rows = [("a step of the last block sees", plan.field), ("the longest series", max(lengths))]
    if min(lengths) < max(lengths):
        rows += [("in the median", round(float(np.median(lengths)))), ("the shortest", min(lengths))]
    longest = max(steps for _, steps in rows)
    return [{"name": name, "values": (f"{steps:,}",), "percent": f"{100 * steps / longest:.1f}"} for name, steps in rows]


def _worth_notes(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[str]:
    """Whether the network is worth having."""
    best = baselines.best_of(others)
    if best is None or (best.accuracy or 0.0) < test["accuracy"]:
        return []
    return [
        f"{best.name} is as good, {_share(best.accuracy)} against {_share(test['accuracy'])}: the network isn't worth its "
        "trouble yet. More --epochs, other --augment or --normalize, or more training series may help."
    ]


def _field_notes(plan: Plan, recipe: SeriesClassification) -> list[str]:
    if plan.field < plan.steps:
        more = (
            "More --blocks or larger --rates reach" if set(plan.rates) != {1} else "Dilation, which is on by default, reaches"
        )
        return [
            f"A step of the last block sees {plan.field:,} of {plan.steps:,} steps: what lies farther apart isn't seen "
            f"together. {more} it; a mean over all steps follows either way."
        ]
    return []


def _data_notes(data: LabelledSeries) -> list[str]:
    told = []
    if data.skipped:
        many = "1 case" if len(data.skipped) == 1 else f"{len(data.skipped):,} cases"
        told.append(f"{many} could not be read and took no part; the reasons are below.")
    if not data.held_out:
        told.append(
            "Curves called validation are of the training series themselves, none of which was held out: they say how well "
            "these fit, and nothing of others."
        )
    return told
