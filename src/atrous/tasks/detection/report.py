"""The page's part on a detector: classes, precision and recall, pictures of mistakes, what the network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np

from atrous import plots
from atrous.data.boxes import Objects
from atrous.data.detection import BoxSplit, DetectionData
from atrous.field import Report, analyze
from atrous.models.fcos import Detections
from atrous.plots.sizes import sizes_and_fields
from atrous.report import embed
from atrous.report.network import times
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.detection import mistakes
from atrous.tasks.detection.drawing import color_of, counted, hex_of, legend, pictures
from atrous.tasks.detection.evaluation import Detector, balance, batches_of_one_size, coco
from atrous.tasks.detection.mistakes import Verdict, judge
from atrous.tasks.detection.prediction import confident
from atrous.tasks.detection.recipe import Detection
from atrous.tasks.sizes import Extent, by_size, reach_notes

_EXAMINED = 400  # test images looked at, spread evenly
_SHOWN = 6
_GAP = 0.08  # between validation and test
_UNBALANCED = 0.15  # between precision and recall; from here on another confidence is proposed
_MOST = 100  # boxes an image that COCO's figures look at

_INVENTED = {
    "class": "on an object of another class",
    "place": "near an object, but too loose",
    "twice": "on an object that a better box has",
    "nothing": "where nothing is",
}
_MISSED = {
    "class": "taken for another class",
    "place": "a box is near, but too loose",
    "unseen": "no box is near",
}


@dataclass(frozen=True)
class Example:
    """A test image, what is in it, what was said with confidence, and what is to be said of that."""

    index: int
    truth: Objects
    said: Detections
    verdict: Verdict


def contents(run: Run, model: keras.Model, data: DetectionData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe = cast(Detection, run.config.recipe)
    detector = Detector(model, recipe.output_stride, recipe.overlap)
    indices, found = _found(detector, data.test, recipe.batch_size)
    truth = [data.test.objects(index) for index in indices]
    evaluated = coco(truth, found, len(data.class_names))
    said = [confident(each, test["confidence"]) for each in found]
    examples = [
        Example(index, objects, each, judge(objects, each)) for index, objects, each in zip(indices, truth, said, strict=True)
    ]
    things = [thing for example in examples for thing in _extents(example)]
    report, reason = fields_of(model)
    best = balance(evaluated)
    section = render(
        __package__ or "",
        "sections.html",
        classes=_class_rows(test),
        single=len(data.class_names) == 1,
        sizes=_size_figures(test),
        curve=_curve(evaluated, test, data.class_names),
        confidence=f"{test['confidence']:g}",
        examples=[_drawn(example, data.test, data.class_names) for example in _spread(examples)],
        lead=f"From {len(examples):,} test images, by how much of what is there was found and how much of what was said is "
        f"there: from the best to the worst. Boxes with a score of at least {test['confidence']:g} are drawn.",
        legend=legend(data.class_names),
        mistakes=_mistakes(examples),
        seen=_seen(report, reason, things, data),
        skipped=[f"{name}: {why}" if name not in why else why for name, why in data.skipped],
        mended=[f"{name}: {what}" for name, what in data.mended],
    )
    size = times([int(n) for n in np.median(data.train.sizes, axis=0)])
    varies = len(np.unique(data.train.sizes, axis=0)) > 1
    classes = f"{len(data.class_names)} classes" if len(data.class_names) > 1 else f"one class, {data.class_names[0]}"
    return Contents(
        lead=f"{len(data.train):,} training images of {'typically ' * varies}{size} pixels with "
        f"{int(data.train.counts.sum()):,} objects of {classes}.",
        facts=[
            {"name": "Test AP", "value": _share(test["ap"]), "note": f"{test['examples']:,} images"},
            {"name": "Test AP50", "value": _share(test["ap50"]), "note": f"{test['objects']:,} objects"},
            {
                "name": "Recall",
                "value": _share(test["recall"], 0),
                "note": f"precision {_share(test['precision'], 0)} at score {test['confidence']:g}",
            },
        ],
        labels={"loss": "loss (classes, boxes, centre-ness)", "ap": "average precision (AP)"},
        notes=[
            *_test_note(run, test),
            *_class_notes(test),
            *_confidence_notes(test, best),
            *_mistake_notes(examples),
            *_field_notes(report, things, recipe),
            *_data_notes(data),
        ],
        sections=[section],
        choices=_choices(recipe),
    )


def fields_of(model: keras.Model) -> tuple[Report | None, str]:
    """What a location's logits see, and the reason why it isn't known (empty if it is)."""
    try:
        return analyze(keras.Model(model.input, model.output["classes"])), ""
    except ValueError as error:
        return None, str(error)


def _choices(recipe: Detection) -> list[str]:
    return [
        f"detector on {recipe.backbone} at output stride {recipe.output_stride}",
        "no dilation" if recipe.is_undilated else f"rates {', '.join(map(str, recipe.rates))}",
        f"augmentation: {', '.join(recipe.augment) or 'none'}",
        *([f"fine-tuned from {recipe.from_run}"] if recipe.from_run else []),
        *([f"{recipe.freeze} frozen"] if recipe.freeze != "none" else []),
    ]


def _found(detector: Detector, split: BoxSplit, batch_size: int) -> tuple[list[int], list[Detections]]:
    """Test images, spread evenly, and all that is said of them."""
    indices = np.unique(np.linspace(0, len(split) - 1, min(len(split), _EXAMINED)).round().astype(int)).tolist()
    found: dict[int, Detections] = {}
    for rows, images in batches_of_one_size(split, batch_size, indices):
        found |= dict(zip(rows, detector.decoded(detector.maps(images), images.shape[1:3]), strict=True))
    return indices, [found[index] for index in indices]


def _extents(example: Example) -> list[Extent]:
    """The objects of an image, by the longer sides of their boxes."""
    sides = (example.truth.boxes[:, 2:] - example.truth.boxes[:, :2]).max(axis=-1, initial=0)
    found = np.isin(np.arange(len(sides)), example.verdict.hits)
    return [
        Extent(int(label), round(float(side)), float(hit), float(iou))
        for label, side, hit, iou, ignored in zip(
            example.truth.labels, sides, found, example.verdict.ious, example.truth.ignored, strict=True
        )
        if not ignored
    ]


def _spread(examples: Sequence[Example]) -> list[Example]:
    """From the best to the worst, in equal steps; those with nothing in them and nothing said say little."""
    ranked = sorted((each for each in examples if len(each.truth.labels) or len(each.said.scores)), key=lambda e: -e.verdict.f1)
    places = np.linspace(0, len(ranked) - 1, min(len(ranked), _SHOWN)).round().astype(int)
    return [ranked[place] for place in places]


def _drawn(example: Example, split: BoxSplit, class_names: Sequence[str]) -> dict[str, Any]:
    verdict = example.verdict
    invented, missed = (sum(map(bool, whys)) for whys in (verdict.invented, verdict.missed))
    images = pictures(split[example.index][0], example.truth, example.said, verdict, class_names)
    return {
        "name": split.name(example.index),
        **images,
        "objects": counted(example.truth),
        "found": f"{verdict.found:,} found",
        "wrong": f"{missed:,} missed, {invented:,} invented",
    }


def _class_rows(test: Mapping[str, Any]) -> list[dict[str, str]]:
    names = list(test["classes"])
    rows = sorted(test["classes"].items(), key=lambda each: 2.0 if each[1]["ap"] is None else each[1]["ap"])
    return [
        {
            "name": name,
            "color": hex_of(color_of(names.index(name))),
            "ap": _share(row["ap"]),
            "ap50": _share(row["ap50"]),
            "recall": _share(row["recall"]),
            "precision": _share(row["precision"]),
            "objects": f"{row['objects']:,}",
        }
        for name, row in rows
    ]


def _size_figures(test: Mapping[str, Any]) -> list[dict[str, str]]:
    named = {"small": "up to 32 × 32 pixels", "medium": "up to 96 × 96", "large": "larger"}
    return [{"name": f"AP of objects {text}", "value": _share(test[f"ap_{size}"])} for size, text in named.items()]


def _curve(evaluated: Any, test: Mapping[str, Any], class_names: Sequence[str]) -> Any:
    precision = evaluated.eval["precision"][0, :, :, 0, -1]
    curves = {name: precision[:, i] for i, name in enumerate(class_names) if (precision[:, i] > -1).all()}
    point = None if test["recall"] is None or test["precision"] is None else (test["recall"], test["precision"])
    colors = {name: hex_of(color_of(i)) for i, name in enumerate(class_names)}
    axes = plots.precision_recall(curves, colors=colors, point=point, note=f"score {test['confidence']:g}")
    return embed.svg(
        axes, name="precision", alt=f"Precision over recall at an overlap of 0.5; the area, AP50, is {_share(test['ap50'])}."
    )


def _mistakes(examples: Sequence[Example]) -> list[dict[str, Any]]:
    invented, missed = mistakes.tally(example.verdict for example in examples)
    rows = []
    for title, of, kinds, counts in (
        ("Missed", "objects", _MISSED, missed),
        ("Invented", "boxes", _INVENTED, invented),
    ):
        total = sum(counts.values())
        rows.append(
            {
                "title": f"{title}: {total:,} {of}",
                "rows": [
                    {"why": text, "count": f"{counts[kind]:,}", "percent": f"{100 * counts[kind] / max(total, 1):.1f}"}
                    for kind, text in kinds.items()
                ],
            }
        )
    return rows


def _seen(report: Report | None, reason: str, things: Sequence[Extent], data: DetectionData) -> dict[str, Any] | None:
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
        score="best IoU with a box",
    )
    lead = f"What is at a location is told from {times(fields)} pixels around it. " if fields else ""
    lead = lead or (f"What it sees could not be told: {reason} " if reason else "It sees the whole image. ")
    return {
        "lead": lead
        + f"Test images are {times((height, width))}; half of the objects are larger than {int(np.median(sizes))} pixels.",
        "drawing": embed.svg(
            axes, name="sizes", alt=f"Best IoU of {len(things)} objects over their size, beside the network's field."
        ),
        "rows": [
            {
                "name": row.name,
                "sizes": f"{row.least}–{row.most}",
                "count": f"{row.count:,}",
                "found": _share(row.found),
                "iou": _share(row.iou),
            }
            for row in by_size(things)
        ],
    }


def _fields(report: Report | None) -> tuple[int, ...]:
    if report is None or not report.output.is_local:
        return ()
    return tuple(int(n) for n in report.output.local_size)


def _share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _test_note(run: Run, test: Mapping[str, Any]) -> list[str]:
    best = run.best(run.metrics)
    if best is None or test["ap"] is None or best["val_ap"] - test["ap"] < _GAP:
        return []
    return [
        f"Test AP is {100 * (best['val_ap'] - test['ap']):.0f} points below validation's: the test images are unlike those for "
        "training, of which validation is a part (do pieces of one photograph stand in both?), or there are few of them."
    ]


def _class_notes(test: Mapping[str, Any]) -> list[str]:
    classes = test["classes"]
    never = [name for name, row in classes.items() if row["objects"] and not row["ap50"]]
    if not never or len(classes) == 1:
        return []
    fewest = min(row["objects"] for row in classes.values() if row["objects"])
    rare = all(classes[name]["objects"] <= 2 * fewest for name in never)
    advice = " They are rare: more images of them help." if rare else " More epochs may help."
    return [
        f"{len(never)} of {len(classes)} classes are never found: {', '.join(never[:5])}{', …' * (len(never) > 5)}.{advice}"
    ]


def _confidence_notes(test: Mapping[str, Any], best: tuple[float, float, float] | None) -> list[str]:
    if best is None:
        return [
            "No box was right: the network has not learned where objects are. More epochs, or a larger learning rate, help."
        ]
    score, precision, recall = best
    now = (test["precision"] or 0.0, test["recall"] or 0.0)
    if abs(now[0] - now[1]) < _UNBALANCED or abs(score - test["confidence"]) < 0.02:
        return []
    return [
        f"From a score of {test['confidence']:g} on, {_share(now[0], 0)} of the boxes are right and {_share(now[1], 0)} of the "
        f"objects found. The best balance on the test images is at --confidence {score:.2f}: {_share(precision, 0)} and "
        f"{_share(recall, 0)}. atrous predict takes it, too; the average precision doesn't depend on it."
    ]


def _mistake_notes(examples: Sequence[Example]) -> list[str]:
    invented, missed = mistakes.tally(example.verdict for example in examples)
    told = []
    if sum(missed.values()) >= 10 and missed["place"] > 0.5 * sum(missed.values()):
        told.append(
            f"Of {sum(missed.values()):,} objects missed, {missed['place']:,} have a box near that is too loose: they are "
            "seen, but not measured. More epochs, a smaller --output-stride or larger images help."
        )
    if sum(invented.values()) >= 10 and invented["twice"] > 0.3 * sum(invented.values()):
        told.append(
            f"{invented['twice']:,} of {sum(invented.values()):,} invented boxes are second ones on an object: a smaller "
            "--overlap drops them."
        )
    if invented["class"] > 0.4 * max(sum(invented.values()), 10):
        told.append(f"{invented['class']:,} of {sum(invented.values()):,} invented boxes are on an object of another class.")
    most = max((int((~example.truth.ignored).sum()) for example in examples), default=0)
    if most > _MOST:
        told.append(f"An image has {most} objects; COCO's figures look at {_MOST} boxes an image. Cut such images into pieces.")
    return told


def _field_notes(report: Report | None, things: Sequence[Extent], recipe: Detection) -> list[str]:
    fields = _fields(report)
    if not fields or not things:
        return []
    told = reach_notes(things, fields, not recipe.is_undilated)
    rows = by_size(things)
    if len(rows) == 3 and rows[0].found < 0.6 * rows[2].found and rows[2].found > 0.3:
        told.append(
            f"Small objects are found worst: {_share(rows[0].found, 0)} of those up to {rows[0].most} pixels, "
            f"{_share(rows[2].found, 0)} of those from {rows[2].least} on. Resolution may lack there rather than reach: try a "
            "smaller --output-stride, or larger images."
        )
    return told


def _data_notes(data: DetectionData) -> list[str]:
    told = []
    for what, rows in (("could not be read and took no part", data.skipped), ("had boxes that were mended", data.mended)):
        if rows:
            names = ", ".join(name for name, _ in rows[:3])
            many = "1 image" if len(rows) == 1 else f"{len(rows):,} images"
            told.append(f"{many} {what}: {names}{', …' * (len(rows) > 3)}.")
    return told
