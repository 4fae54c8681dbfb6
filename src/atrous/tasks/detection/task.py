"""Detection: dilated networks on images of any size, with a box around each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.data.detection import BoxSplit, DetectionData, load_detection
from atrous.models import fcos
from atrous.run import Config, Run
from atrous.tasks.detection import network
from atrous.tasks.detection.batches import BoxBatches
from atrous.tasks.detection.evaluation import Detector, evaluate
from atrous.tasks.detection.prediction import BoxPrediction, predict
from atrous.tasks.detection.recipe import Detection
from atrous.tasks.recipe import Recipe, parse_number
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from markupsafe import Markup

    from atrous.report.page import Contents

_LARGEST_CROP = 256  # pixels a side, if nobody asks for more
_TOLD = 5  # files left out, or mended, that are named before training


class DetectionTask(Task[DetectionData]):
    """Boxes; training cuts pieces of one size out of the images, everything else takes them whole."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> DetectionData:
        """Loads images and boxes; see `atrous.data.detection.load_detection`."""
        _require_pycocotools()
        recipe = cast(Detection, recipe)
        return load_detection(source, recipe.seed, recipe.strict, None if config is None else config.class_names)

    def facts(self, data: DetectionData) -> dict[str, Any]:
        """Names and numbers of classes, the images' median size, training objects of each class, what was wrong."""
        return {
            "class_names": data.class_names,
            "category_ids": data.category_ids,
            "image_size": tuple(int(n) for n in np.median(data.train.sizes, axis=0)),
            "objects": tuple(int(n) for n in data.train.counts),
            "skipped": tuple(name for name, _ in data.skipped),
            "mended": tuple(name for name, _ in data.mended),
        }

    def must_agree(self) -> tuple[str, ...]:
        """Other data may have other images, but not other classes."""
        return ("class_names",)

    def notes(self, data: DetectionData) -> list[str]:
        """Images left out, boxes that were mended, and classes without an object to learn from."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"Left out: {len(data.skipped) - _TOLD} more images that can't be read; the report names them.")
        told += [f"Mended: in {name} {what}" for name, what in data.mended[:_TOLD]]
        if len(data.mended) > _TOLD:
            told.append(f"Mended: boxes of {len(data.mended) - _TOLD} more images; the report names them.")
        absent = [name for name, count in zip(data.class_names, data.train.counts, strict=True) if not count]
        for name, part in (("validation", data.validation), ("test", data.test)):
            if not part.counts.any():
                told.append(f"The {name} part, {len(part)} images, has no object: nothing can be measured there.")
        return told + ([f"No training image has an object of {', '.join(absent)}."] if absent else [])

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network, with the weights that it begins with."""
        return network.build(cast(Detection, config.recipe), config.class_names, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """The three losses of FCOS. The average precision is of whole images, and so of validation alone."""
        return {"loss": dict(fcos.LOSSES)}

    def batches(self, part: BoxSplit, config: Config) -> BoxBatches:
        """Pieces of one size, changed at random."""
        recipe = cast(Detection, config.recipe)
        scales = (recipe.scales[0], recipe.scales[1])
        size, classes = _crop_size(config), len(config.class_names)
        return BoxBatches(part, recipe.batch_size, recipe.seed, size, classes, recipe.output_stride, recipe.augment, scales)

    def evaluate(self, model: keras.Model, part: BoxSplit, config: Config, **options: Any) -> dict[str, Any]:
        """Figures on whole images: see `evaluation.evaluate`; with `confidence`, precision and recall from there on."""
        check_options(options, ("confidence",), config)
        recipe = cast(Detection, config.recipe)
        confidence = parse_number("confidence", options.get("confidence", recipe.confidence), 0, 1)
        return evaluate(detector_of(model, config), part, config.class_names, recipe.batch_size, confidence)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[BoxPrediction]:
        """Boxes in images: see `prediction.predict`; options are `confidence`, `tile`, `memory`."""
        check_options(options, ("confidence", "tile", "memory"), run.config)
        recipe = cast(Detection, run.config.recipe)
        confidence = parse_number("confidence", options.pop("confidence", recipe.confidence), 0, 1)
        detector = detector_of(run.load_model(), run.config)
        return predict(detector, files, output, run.config.class_names, run.config.category_ids, confidence, **options)

    def report(self, run: Run, model: keras.Model, data: DetectionData, test: Mapping[str, Any]) -> Contents:
        """Classes, precision and recall, pictures of what was found, missed and invented, what the network sees."""
        from atrous.tasks.detection.report import contents

        return contents(run, model, data, test)

    def compared(self, runs: Sequence[Run], names: Sequence[str]) -> Sequence[Markup]:
        """The same test images through each network, if the runs have the same classes."""
        from atrous.tasks.detection.compare import sections

        return sections(runs, names)


TASK = DetectionTask()


def detector_of(model: keras.Model, config: Config) -> Detector:
    """The network, and how the run's recipe reads its maps."""
    recipe = cast(Detection, config.recipe)
    return Detector(model, recipe.output_stride, recipe.overlap, config.image_size)


def _crop_size(config: Config) -> tuple[int, int]:
    """What the recipe says; else the images' median, as far as it is not large, in whole strides."""
    recipe = cast(Detection, config.recipe)
    if recipe.crop_size is not None:
        return recipe.crop_size
    height, width = (-(-min(n, _LARGEST_CROP) // recipe.output_stride) * recipe.output_stride for n in config.image_size)
    return height, width


def _require_pycocotools() -> None:
    """Said before the first epoch rather than behind it."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as error:
        raise ImportError("Detection needs pycocotools: pip install 'atrous[detection]'.") from error
