"""Segmentation: dilated networks on images of any size, with a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.data.masks import VOID
from atrous.data.segmentation import MaskSplit, SegmentationData, load_segmentation
from atrous.run import Config, Run
from atrous.tasks.recipe import Recipe
from atrous.tasks.segmentation import network
from atrous.tasks.segmentation.batches import MaskBatches
from atrous.tasks.segmentation.evaluation import Segmenter, evaluate
from atrous.tasks.segmentation.loss import SegmentationLoss, balanced
from atrous.tasks.segmentation.prediction import MaskPrediction, predict
from atrous.tasks.segmentation.recipe import Segmentation
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from markupsafe import Markup

    from atrous.report.page import Contents

_LARGEST_CROP = 256  # pixels a side, if nobody asks for more
_TOLD = 5  # files left out that are named before training
_SMALL = 96  # pixels a side up to which images are taken whole


class SegmentationTask(Task[SegmentationData]):
    """A class a pixel; training cuts pieces of one size out of the images, everything else takes them whole."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> SegmentationData:
        """Loads images and masks; see `atrous.data.segmentation.load_segmentation`."""
        recipe = cast(Segmentation, recipe)
        like = {} if config is None else {"class_names": config.class_names, "palette": config.palette}
        return load_segmentation(source, recipe.seed, recipe.strict, **like)

    def facts(self, data: SegmentationData) -> dict[str, Any]:
        """Names and colours of classes, the images' median size, training pixels of each class, files left out."""
        return {
            "class_names": data.class_names,
            "palette": data.palette,
            "image_size": tuple(int(n) for n in np.median(data.train.sizes, axis=0)),
            "pixels": tuple(int(n) for n in data.train.pixels),
            "skipped": tuple(name for name, _ in data.skipped),
        }

    def must_agree(self) -> tuple[str, ...]:
        """Other data may have other images, but not other classes."""
        return ("class_names",)

    def notes(self, data: SegmentationData) -> list[str]:
        """Files left out, and classes without a pixel to learn from."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"Left out: {len(data.skipped) - _TOLD} more files that can't be read; the report names them.")
        absent = [name for name, count in zip(data.class_names, data.train.pixels, strict=True) if not count]
        return told + ([f"No training image has a pixel of {', '.join(absent)}."] if absent else [])

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network, with the weights that it begins with."""
        return network.build(cast(Segmentation, config.recipe), config.class_names, config.palette, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy without void pixels, and mean IoU."""
        classes = len(config.class_names)
        iou = keras.metrics.MeanIoU(classes, name="mean_iou", ignore_class=VOID, sparse_y_pred=False, dtype="float32")
        return {"loss": SegmentationLoss(_weights(config)), "metrics": [iou]}

    def batches(self, part: MaskSplit, config: Config) -> MaskBatches:
        """Pieces of one size, changed at random."""
        recipe = cast(Segmentation, config.recipe)
        scales = (recipe.scales[0], recipe.scales[1])
        return MaskBatches(part, recipe.batch_size, recipe.seed, _crop_size(config), recipe.augment, scales)

    def evaluate(self, model: keras.Model, part: MaskSplit, config: Config, **options: Any) -> dict[str, Any]:
        """Figures on whole images: see `evaluation.evaluate`; with `scales` and `flip`, at several sizes and mirrored."""
        check_options(options, ("scales", "flip"), config)
        recipe = cast(Segmentation, config.recipe)
        segmenter = Segmenter(model, network.stride_of(recipe), **options)
        result = evaluate(segmenter, part, config.class_names, recipe.batch_size, _weights(config))
        return result if segmenter.is_plain else {**result, "scales": segmenter.scales, "flip": segmenter.flip}

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[MaskPrediction]:
        """Masks of images: see `prediction.predict`; options are `scales`, `flip`, `longest`, `tile`, `memory`."""
        check_options(options, ("scales", "flip", "longest", "tile", "memory"), run.config)
        asked = {name: options.pop(name) for name in ("scales", "flip") if name in options}
        segmenter = Segmenter(run.load_model(), network.stride_of(cast(Segmentation, run.config.recipe)), **asked)
        config = run.config
        return predict(segmenter, files, output, config.class_names, config.palette, config.image_size, **options)

    def report(self, run: Run, model: keras.Model, data: SegmentationData, test: Mapping[str, Any]) -> Contents:
        """Classes, confusion, pictures of mistakes, what the network sees."""
        from atrous.tasks.segmentation.report import contents

        return contents(run, model, data, test)

    def compared(self, runs: Sequence[Run], names: Sequence[str]) -> Sequence[Markup]:
        """The same test images through each network, if the runs have the same classes."""
        from atrous.tasks.segmentation.compare import sections

        return sections(runs, names)


TASK = SegmentationTask()


def _weights(config: Config) -> tuple[float, ...] | None:
    return balanced(config.pixels) if cast(Segmentation, config.recipe).class_weights == "balanced" else None


def _crop_size(config: Config) -> tuple[int, int]:
    """What the recipe says; else two thirds of the images' median, in whole strides: more steps in the same time."""
    recipe = cast(Segmentation, config.recipe)
    if recipe.crop_size is not None:
        return recipe.crop_size
    stride = network.stride_of(recipe)
    whole = min(config.image_size) <= _SMALL
    height, width = (-(-min(n if whole else round(2 * n / 3), _LARGEST_CROP) // stride) * stride for n in config.image_size)
    return height, width
