"""The network of a recipe, and weights to begin with."""

from __future__ import annotations

import keras

from atrous.models import DilatedDetector, freeze
from atrous.models.labels import ClassLabels
from atrous.tasks.detection.recipe import Detection
from atrous.tasks.weights import begin, undilated

_DEFAULT = Detection(name="", epochs=1)


def build(recipe: Detection, class_names: tuple[str, ...], policy: str) -> keras.Model:
    """The network, with the weights that the recipe says, and names of classes: pixels, 0 … 255, of any size → maps.

    Raises:
        ValueError: A choice doesn't fit the network, or a file of weights doesn't.
    """
    model = DilatedDetector(
        recipe.backbone,
        len(class_names),
        output_stride=recipe.output_stride,
        rates=recipe.rates if recipe.rates != (1,) else (1,) * len(_DEFAULT.rates),
        filters=recipe.filters,
        depth=recipe.depth,
        tower_normalization="batch",  # its statistics are the same in a piece of an image and in all of it
        backbone_weights="imagenet" if recipe.weights == "imagenet" else None,
        include_preprocessing=True,
        dtype=policy,
    )
    if recipe.is_undilated:
        model = undilated(model, "project")
    named = ClassLabels(class_names, dtype="float32", name="labels")(model.output["classes"])
    model = keras.Model(model.input, {**model.output, "classes": named}, name=model.name)
    begin(model, recipe)
    if recipe.freeze == "backbone":
        freeze(model, str(model.get_layer("project").input._keras_history.operation.name))
    return model


def one_map(model: keras.Model) -> keras.Model:
    """The same network with its maps behind each other, (batch, height, width, classes + 5): what can be computed by tiles."""
    maps = [model.output[name] for name in ("classes", "boxes", "centerness")]
    return keras.Model(model.input, keras.layers.Concatenate(dtype="float32", name="maps")(maps), name=model.name)


def taken_apart(maps: object) -> dict[str, object]:
    """What the network says by name, of what `one_map` says."""
    return {"classes": maps[..., :-5], "boxes": maps[..., -5:-1], "centerness": maps[..., -1:]}  # type: ignore[index]
