"""The page's part on a classifier: confusion, predictions, what the dilated layer sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from atrous import plots
from atrous.data import Dataset
from atrous.models import DilatedClassifier
from atrous.report import embed
from atrous.report.classes import balanced_fact, confusion_section, percent
from atrous.report.facts import accuracy
from atrous.report.network import View, fields_of, times, view
from atrous.report.notes import class_notes, field_notes
from atrous.report.page import Contents, render
from atrous.report.samples import Sample, choose
from atrous.run import Run
from atrous.surgery.copying import copy_model
from atrous.surgery.unfolding import unfold
from atrous.tasks.image_classification.recipe import ImageClassification

_LARGEST_MAP = 48  # pixels a side of a feature map; larger ones are thinned out
_MAPS = 48  # feature maps shown at most
_SMALL_IMAGE = 96  # pixels a side up to which an image is shown with visible pixels instead of smoothed


def contents(run: Run, model: keras.Model, data: Dataset, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    samples = choose(model, data.test)
    example = next(iter(samples.right or samples.wrong), None)
    seen = None if example is None else _seen(model, example.image)
    confusion = np.asarray(test["confusion"])
    height, width, channels = data.image_shape
    section = render(
        __package__ or "",
        "sections.html",
        samples_lead=f"From {samples.examined:,} test examples: the name is the predicted class, with its probability.",
        right=[_captioned(sample, data.class_names) for sample in samples.right],
        wrong=[_captioned(sample, data.class_names) for sample in samples.wrong],
        pixelated=max(height, width) <= _SMALL_IMAGE,
        view=None if seen is None or example is None else _view(seen, example, data.class_names),
        skipped=[why for _, why in data.skipped],
    )
    recipe = cast(ImageClassification, run.config.recipe)
    return Contents(
        lead=f"{len(data.train):,} training images of {height} × {width} pixels, {'gray' if channels == 1 else 'colour'}, "
        f"{len(data.class_names)} classes.",
        facts=[
            accuracy(test),
            *balanced_fact(test),
            {"name": "Test examples", "value": f"{test['examples']:,}", "note": f"loss {test['loss']:.3f}"},
        ],
        labels={"loss": "loss (cross-entropy)", "accuracy": "accuracy (share)"},
        notes=[
            *class_notes(confusion, data.class_names),
            *([] if seen is None else field_notes(seen, (height, width))),
            *_skipped_note(data),
            *data.notes,
        ],
        sections=[confusion_section(confusion, data.class_names), section],
        choices=_choices(recipe, data),
    )


def _choices(recipe: ImageClassification, data: Dataset) -> list[str]:
    began = recipe.weights and ("ImageNet's" if recipe.weights == "imagenet" else Path(recipe.weights).name)
    size = times(data.image_shape[:2])
    return [
        recipe.network(),
        f"images {'cut' if recipe.resize == 'crop' else 'stretched'} to {size}",
        *(["preprocessing in the model"] if recipe.backbone else []),
        f"augmentation: {' and '.join(recipe.augment) or 'none'}",
        *([f"{recipe.class_weights} class weights"] if recipe.class_weights != "none" else []),
        *([f"{began} weights to begin with"] if began else []),
        *([f"fine-tuned from {recipe.from_run}"] if recipe.from_run else []),
        *([f"{recipe.freeze} frozen"] if recipe.freeze != "none" else []),
    ]


def _skipped_note(data: Dataset) -> list[str]:
    if not data.skipped:
        return []
    names = ", ".join(name for name, _ in data.skipped[:3])
    many = "1 file" if len(data.skipped) == 1 else f"{len(data.skipped)} files"
    return [f"{many} could not be read and took no part: {names}{', …' * (len(data.skipped) > 3)}."]


def _seen(model: keras.Model, image: np.ndarray) -> View | None:
    """What the last dilated layer does, also if it is inside a block; that takes a copy, whose blocks are taken apart."""
    if isinstance(model, DilatedClassifier) or "average" not in [layer.name for layer in model.layers]:
        return view(model, image, fields_of(model)[0])
    flat = unfold(copy_model(keras.Model(model.input, model.get_layer("average").input)))
    return view(flat, image, fields_of(flat)[0])


def _captioned(sample: Sample, class_names: tuple[str, ...]) -> dict[str, str]:
    return {
        "name": sample.name,
        "picture": embed.picture(sample.image),
        "true": class_names[sample.true],
        "predicted": class_names[sample.predicted],
        "probability": percent(sample.probability),
        "true_probability": percent(sample.true_probability),
    }


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
