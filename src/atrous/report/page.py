"""Writes the page: reads the run, draws, fills the template."""

from __future__ import annotations

import pathlib
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import keras
import numpy as np
from markupsafe import Markup

from atrous import plots
from atrous.report import embed
from atrous.report.explore import explore_section, palette
from atrous.report.facts import class_rows, header
from atrous.report.network import View, fields_of, layer_rows, times, view
from atrous.report.notes import notes
from atrous.report.samples import Sample, choose
from atrous.report.stack import stack_of
from atrous.run import replacing

if TYPE_CHECKING:
    from atrous.data import Dataset
    from atrous.run import Run

_LARGEST_MAP = 48  # pixels a side of a feature map; larger ones are thinned out
_MAPS = 48  # feature maps shown at most
_SMALL_IMAGE = 96  # pixels a side up to which an image is shown with visible pixels instead of smoothed


def write(run: Run) -> pathlib.Path:
    """Writes `report.html` into the folder of a finished run: one page that opens from disk and loads nothing.

    Args:
        run: A run with a model, metrics and test result.

    Returns:
        The page's path.

    Raises:
        ValueError: The run has no test result yet.
    """
    page = _environment().from_string(resources.files("atrous.report").joinpath("template.html").read_text("utf-8"))
    text = page.render(_contents(run, run.load_model(), run.load_data()))
    with replacing(run.report_file) as file:
        file.write_text(text, encoding="utf-8")
    return run.report_file


def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _contents(run: Run, model: keras.Model, data: Dataset) -> dict[str, Any]:
    """Everything the template names."""
    test = run.test
    if test is None:
        raise ValueError(
            f"`run` must be finished, with a test result. Received: run={run!r}. Finish it: atrous train --resume …"
        )
    report, reason = fields_of(model)
    samples = choose(model, data.test)
    example = next(iter(samples.right or samples.wrong), None)
    seen = None if example is None else view(model, example.image, report)
    stack = stack_of(model)
    best_row = run.best(run.metrics)
    best = None if best_row is None else int(best_row["epoch"])
    confusion = np.asarray(test["confusion"])
    size = data.image_shape[:2]
    return {
        **header(run, model, data, test),
        "notes": notes(run.metrics, best, confusion, data.class_names, seen, size),
        "curves": _curves(run.metrics, best),
        "matrix": _matrix(confusion, data.class_names),
        "classes": class_rows(confusion, data.class_names),
        "samples_lead": f"From {samples.examined:,} test examples: the name is the predicted class, with its probability.",
        "right": [_captioned(sample, data.class_names) for sample in samples.right],
        "wrong": [_captioned(sample, data.class_names) for sample in samples.wrong],
        "pixelated": max(size) <= _SMALL_IMAGE,
        "view": None if seen is None or example is None else _view(seen, example, data.class_names),
        "layers": layer_rows(model, report),
        "explorer": None if stack is None else explore_section(stack),
        "palette": palette(),
        "no_fields": f"It could not be told: {reason}" if reason else "",
    }


def _curves(metrics: list[dict[str, Any]], best: int | None) -> list[Markup]:
    if best is None:
        return []
    drawn = []
    for metric, label in (("loss", "loss (cross-entropy)"), ("accuracy", "accuracy (share)")):
        training, validation = [row[metric] for row in metrics], [row[f"val_{metric}"] for row in metrics]
        axes = plots.learning_curves(training, validation, metric=label, best_epoch=best)
        alt = (
            f"{metric.capitalize()} over {len(metrics)} epochs: training ends at {training[-1]:.3f}, validation at "
            f"{validation[-1]:.3f}; at the best epoch, {best}, validation is {validation[best - 1]:.3f}."
        )
        drawn.append(embed.svg(axes, name=metric, alt=alt))
    return drawn


def _matrix(confusion: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """The drawing, with the widths in pixels between which it is shown."""
    axes = plots.confusion_matrix(confusion, class_names)
    right = np.trace(confusion) / max(confusion.sum(), 1)
    width = round(1.1 * axes.figure.bbox.width)
    return {
        "svg": embed.svg(
            axes,
            name="confusion",
            alt=f"Confusion matrix of {len(class_names)} classes; {100 * right:.1f} % of {confusion.sum():,} examples lie on "
            "the diagonal. The table below has the figures of each class.",
        ),
        "width": width,
        "least": min(width, 460),
    }


def _captioned(sample: Sample, class_names: tuple[str, ...]) -> dict[str, str]:
    return {
        "name": sample.name,
        "picture": embed.picture(sample.image),
        "true": class_names[sample.true],
        "predicted": class_names[sample.predicted],
        "probability": _percent(sample.probability),
        "true_probability": _percent(sample.true_probability),
    }


def _percent(probability: float) -> str:
    if probability >= 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def _view(seen: View, example: Sample, class_names: tuple[str, ...]) -> dict[str, Any]:
    step = max(1, -(-max(seen.maps.shape[:2]) // _LARGEST_MAP))
    axes = plots.feature_maps(seen.maps[::step, ::step], limit=_MAPS)
    shown, channels = len(axes.images), seen.maps.shape[-1]
    rate = str(seen.rate[0]) if len(set(seen.rate)) == 1 else times(seen.rate)
    named = f"{class_names[example.true]}, {example.name}"
    drawn = {
        "dilated": seen.dilated,
        "lead": f"The layer {seen.layer}, kernel {times(seen.kernel)} at rate {rate}, looking at one test example: {named}.",
        "maps": embed.svg(axes, name="maps", alt=f"Feature maps of {shown} channels of {seen.layer} for {named}."),
        "maps_caption": f"{'All' if shown == channels else f'The {shown} strongest of'} {channels} channels, "
        f"{times(seen.maps.shape[:2])} each, strongest first, on one scale. Numbers are channels.",
        "field": None,
    }
    if seen.field is not None:
        drawn |= _field(seen, example.image)
    return drawn


def _field(seen: View, image: np.ndarray) -> dict[str, str]:
    assert seen.field is not None
    size = times([last - first + 1 for first, last in seen.field])
    taps = f"each of its {len(seen.taps)} taps sees" if len(seen.taps) != 1 else "its only tap outside padding sees"
    axes = plots.receptive_field(image, seen.field, seen.taps)
    alt = f"The example with the {size} pixel receptive field of the centre unit of {seen.layer} and what {taps}."
    return {
        "field": embed.svg(axes, name="field", alt=alt),
        "field_caption": f"The thick outline is all that the centre unit (row {seen.unit[0]}, column {seen.unit[1]}) can see: "
        f"{size} pixels. Thin outlines show what {taps}, with a dot in the middle.",
    }
