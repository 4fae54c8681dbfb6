"""The page's part on a segmenter: classes, confusion, pictures of mistakes, what the network sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import plots
from atrous.data.masks import VOID, Palette
from atrous.data.segmentation import MaskSplit, SegmentationData
from atrous.field import Report
from atrous.plots.sizes import sizes_and_fields
from atrous.report import embed
from atrous.report.network import fields_of, times
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.segmentation import network
from atrous.tasks.segmentation.evaluation import Segmenter, batches_of_one_size
from atrous.tasks.segmentation.loss import confusion, intersection_over_union
from atrous.tasks.segmentation.objects import extents
from atrous.tasks.segmentation.pictures import hex_of, painted, uri
from atrous.tasks.segmentation.recipe import Segmentation
from atrous.tasks.sizes import Extent, by_size, reach_notes

_EXAMINED = 400  # test images looked at, spread evenly
_SHOWN = 6
_GAP = 0.08  # between validation and test
_FEW = 0.02  # of the image; a class with fewer pixels is easily never predicted


@dataclass(frozen=True)
class Example:
    """A test image, what is in it and what was said."""

    index: int
    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    iou: float


def contents(run: Run, model: keras.Model, data: SegmentationData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe = cast(Segmentation, run.config.recipe)
    segmenter = Segmenter(model, network.stride_of(recipe))
    shown, things, examined = _examined(segmenter, data.test, len(data.class_names), recipe.batch_size)
    report, reason = fields_of(model)
    counts = np.asarray(test["confusion"])
    section = render(
        __package__ or "",
        "sections.html",
        classes=_class_rows(test, data),
        matrix=_matrix(counts, data.class_names),
        examples=[_drawn(example, data.palette) for example in shown],
        lead=f"From {examined:,} test images, with the mean IoU of the classes in each: from the best to the worst.",
        legend=[{"name": name, "color": hex_of(color)} for name, color in zip(data.class_names, data.palette, strict=True)],
        seen=_seen(report, reason, things, data, recipe),
        skipped=[why for _, why in data.skipped],
    )
    size = times([int(n) for n in np.median(data.train.sizes, axis=0)])
    varies = len(np.unique(data.train.sizes, axis=0)) > 1
    return Contents(
        lead=f"{len(data.train):,} training images of {'typically ' * varies}{size} pixels, {len(data.class_names)} classes.",
        facts=[
            {"name": "Test mean IoU", "value": f"{100 * test['mean_iou']:.1f} %", "note": f"{test['examples']:,} images"},
            {"name": "Pixel accuracy", "value": f"{100 * test['pixel_accuracy']:.1f} %", "note": f"loss {test['loss']:.3f}"},
        ],
        labels={"loss": "loss (cross-entropy)", "mean_iou": "mean IoU"},
        notes=[*_test_note(run, test), *_class_notes(test), *_field_notes(report, things, recipe), *_skipped_note(data)],
        sections=[section],
        choices=_choices(recipe),
    )


def _choices(recipe: Segmentation) -> list[str]:
    on = (
        f"deeplab on {recipe.backbone} at output stride {recipe.output_stride}"
        if recipe.network == "deeplab"
        else recipe.network
    )
    return [
        on,
        "no dilation" if recipe.is_undilated else f"rates {', '.join(map(str, recipe.rates))}",
        f"augmentation: {', '.join(recipe.augment) or 'none'}",
        *([f"{recipe.class_weights} class weights"] if recipe.class_weights != "none" else []),
        *([f"fine-tuned from {recipe.from_run}"] if recipe.from_run else []),
        *([f"{recipe.freeze} frozen"] if recipe.freeze != "none" else []),
    ]


def _examined(segmenter: Segmenter, split: MaskSplit, classes: int, batch_size: int) -> tuple[list[Example], list[Extent], int]:
    """Examples to show, from the best to the worst; everything that is in the images; how many were looked at."""
    indices = np.unique(np.linspace(0, len(split) - 1, min(len(split), _EXAMINED)).round().astype(int)).tolist()
    scores: dict[int, float] = {}
    things: list[Extent] = []
    for rows, images, masks in batches_of_one_size(split, batch_size, indices):
        predicted = segmenter.scores(images).argmax(axis=-1).astype(np.uint8)
        for row, mask, said in zip(rows, masks, predicted, strict=True):
            there = np.unique(mask[mask != VOID])
            iou = intersection_over_union(confusion(mask, said, classes))[there]
            scores[row] = float(iou.mean()) if len(there) else math.nan
            things += extents(mask, said)
    ranked = sorted((row for row in indices if not math.isnan(scores[row])), key=lambda row: -scores[row])
    chosen = _spread(ranked)
    examples = []
    for row in chosen:
        image, mask = split[row]
        said = segmenter.scores(image[None])[0].argmax(axis=-1).astype(np.uint8)
        examples.append(Example(row, split.name(row), image, mask, said, scores[row]))
    return examples, things, len(indices)


def _spread(ranked: Sequence[int]) -> list[int]:
    """From the best to the worst, in equal steps."""
    places = np.linspace(0, len(ranked) - 1, min(len(ranked), _SHOWN)).round().astype(int)
    return [ranked[place] for place in places]


def _class_rows(test: Mapping[str, Any], data: SegmentationData) -> list[dict[str, str]]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f} %"

    total = max(sum(row["pixels"] for row in test["classes"].values()), 1)
    rows = sorted(
        zip(data.class_names, data.palette, strict=True),
        key=lambda each: 2.0 if test["classes"][each[0]]["iou"] is None else test["classes"][each[0]]["iou"],
    )
    return [
        {
            "name": name,
            "color": hex_of(color),
            "iou": share(test["classes"][name]["iou"]),
            "percent": f"{100 * (test['classes'][name]['iou'] or 0):.1f}",
            "recall": share(test["classes"][name]["recall"]),
            "precision": share(test["classes"][name]["precision"]),
            "pixels": f"{100 * test['classes'][name]['pixels'] / total:.1f} %",
        }
        for name, color in rows
    ]


def _matrix(counts: NDArray[np.int64], class_names: Sequence[str]) -> dict[str, Any]:
    percent = np.round(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(int)
    axes = plots.confusion_matrix(percent, class_names)
    width = round(1.1 * axes.figure.bbox.width)
    right = np.trace(counts) / max(counts.sum(), 1)
    alt = f"Confusion matrix of {len(class_names)} classes, in percent of each true class; {100 * right:.1f} % are right."
    return {"svg": embed.svg(axes, name="confusion", alt=alt), "width": width, "least": min(width, 460)}


def _drawn(example: Example, palette: Palette) -> dict[str, str]:
    wrong = (example.predicted != example.mask) & (example.mask != VOID)
    gray = example.image.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    shaded = 0.45 * gray + 0.55 * 255
    shaded[wrong] = 0.25 * gray[wrong] + 0.75 * np.array([200, 30, 20])
    return {
        "name": example.name,
        "iou": f"{100 * example.iou:.0f} %",
        "image": uri(example.image, jpeg=True),
        "truth": uri(painted(example.mask, palette)),
        "predicted": uri(painted(example.predicted, palette)),
        "mistakes": uri(shaded.astype(np.uint8), jpeg=True),
        "share": f"{100 * wrong.sum() / max((example.mask != VOID).sum(), 1):.1f} %",
    }


def _seen(
    report: Report | None, reason: str, things: Sequence[Extent], data: SegmentationData, recipe: Segmentation
) -> dict[str, Any] | None:
    """Field against sizes: a drawing, a sentence, a row a third."""
    if not things:
        return None
    fields = _fields(report)
    height, width = (int(n) for n in np.median(data.test.sizes, axis=0))
    sizes = [thing.size for thing in things]
    axes = sizes_and_fields(
        sizes,
        {**({"field": min(fields)} if fields else {}), "image": max(height, width)},
        scores=[thing.iou for thing in things],
    )
    lead = (
        f"A pixel's class is told from {times(fields)} pixels around it, ignoring image-level features, which see everything. "
        if fields
        else f"What it sees could not be told: {reason} "
    )
    return {
        "lead": lead
        + f"Test images are {times((height, width))}; half of what is in them is larger than {int(np.median(sizes))} "
        "pixels. Each point is all of one class in one image.",
        "drawing": embed.svg(
            axes, name="sizes", alt=f"IoU of {len(things)} things over their size, beside the network's field."
        ),
        "rows": [
            {
                "name": row.name,
                "sizes": f"{row.least}–{row.most}",
                "count": f"{row.count:,}",
                "found": f"{100 * row.found:.1f} %",
                "iou": f"{100 * row.iou:.1f} %",
            }
            for row in by_size(things)
        ],
    }


def _fields(report: Report | None) -> tuple[int, ...]:
    if report is None or not report.features.is_local:
        return ()
    return tuple(int(n) for n in report.features.local_size)


def _test_note(run: Run, test: Mapping[str, Any]) -> list[str]:
    best = run.best(run.metrics)
    if best is None or best["val_mean_iou"] - test["mean_iou"] < _GAP:
        return []
    gap = 100 * (best["val_mean_iou"] - test["mean_iou"])
    return [
        f"Test mean IoU is {gap:.0f} points below validation's: the test images are unlike those for training, of which "
        "validation is a part, or there are few of them."
    ]


def _class_notes(test: Mapping[str, Any]) -> list[str]:
    classes = test["classes"]
    total = max(sum(row["pixels"] for row in classes.values()), 1)
    never = [name for name, row in classes.items() if row["pixels"] and row["precision"] is None]
    if not never:
        return []
    rare = all(classes[name]["pixels"] < _FEW * total for name in never)
    advice = " They have few pixels: --class-weights balanced makes each count more." if rare else ""
    return [
        f"{len(never)} of {len(classes)} classes are never predicted: {', '.join(never[:5])}{', …' * (len(never) > 5)}.{advice}"
    ]


def _field_notes(report: Report | None, things: Sequence[Extent], recipe: Segmentation) -> list[str]:
    fields = _fields(report)
    if not fields or not things:
        return []
    told = reach_notes(things, fields, not recipe.is_undilated)
    rows = by_size(things)
    if len(rows) == 3 and rows[0].iou < 0.6 * rows[2].iou and rows[2].iou > 0.3:
        told.append(
            f"Small things are found worst: mean IoU {100 * rows[0].iou:.0f} % up to {rows[0].most} pixels, "
            f"{100 * rows[2].iou:.0f} % from {rows[2].least} on. Resolution may lack there rather than reach: try "
            "a smaller --output-stride, or larger images."
        )
    return told


def _skipped_note(data: SegmentationData) -> list[str]:
    if not data.skipped:
        return []
    names = ", ".join(name for name, _ in data.skipped[:3])
    many = "1 file" if len(data.skipped) == 1 else f"{len(data.skipped)} files"
    return [f"{many} could not be read and took no part: {names}{', …' * (len(data.skipped) > 3)}."]
