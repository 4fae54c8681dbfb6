"""The network of a recipe, and weights to begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import keras
from keras import layers

from atrous.models import DRN, DilatedClassifier, ResNet, freeze
from atrous.models.backbone import application
from atrous.models.labels import ClassLabels
from atrous.models.resnet import VARIANTS
from atrous.run import Run
from atrous.surgery.striding import to_output_stride
from atrous.tasks.image_classification.recipe import ImageClassification
from atrous.tasks.weights import begin, undilated

_LAST = "probabilities"
_SPREAD = {"brightness": 0.2, "contrast": 0.3, "saturation": (0.35, 0.65), "hue": 0.03}  # at most, as Keras's layers take it


def build(
    recipe: ImageClassification, image_shape: tuple[int, int, int], class_names: tuple[str, ...], policy: str
) -> keras.Model:
    """The network, augmentation and preprocessing inside, its weights as the recipe says: pixels, 0 … 255 → probabilities.

    Raises:
        ValueError: A choice doesn't fit the network, or a file of weights doesn't.
    """
    make = _small if recipe.backbone is None else _with_backbone
    model = make(recipe, image_shape, class_names, policy)
    own = model.get_layer(_LAST).get_weights()
    begin(model, recipe)
    if recipe.from_run is not None and tuple(Run(recipe.from_run).config.class_names) != tuple(class_names):
        model.get_layer(_LAST).set_weights(own)  # as many classes, but others
    if recipe.freeze == "backbone":
        head = "flatten" if "flatten" in [layer.name for layer in model.layers] else "average"
        freeze(model, str(cast(Any, model.get_layer(head).input)._keras_history.operation.name))
    return model


def augmentation(names: Sequence[str], channels: int) -> list[keras.layers.Layer]:
    """Keras's own layers for changes of images, each after the other, in float32 whatever the network computes in."""
    return [layer for name in names for layer in _AUGMENTATIONS[name](channels)]


def _colour(channels: int) -> list[keras.layers.Layer]:
    made = [
        layers.RandomBrightness(_SPREAD["brightness"], name="brightness", dtype="float32"),
        layers.RandomContrast(_SPREAD["contrast"], name="contrast", dtype="float32"),
    ]
    if channels == 3:
        made.append(layers.RandomSaturation(_SPREAD["saturation"], name="saturation", dtype="float32"))
        made.append(layers.RandomHue(_SPREAD["hue"], name="hue", dtype="float32"))
    return made


_AUGMENTATIONS: dict[str, Callable[[int], list[keras.layers.Layer]]] = {
    "flip": lambda _: [layers.RandomFlip("horizontal", name="flip", dtype="float32")],
    "shift": lambda _: [layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="shift", dtype="float32")],
    "rotate": lambda _: [layers.RandomRotation(15 / 360, fill_mode="nearest", name="rotate", dtype="float32")],
    "zoom": lambda _: [layers.RandomZoom((-0.2, 0.2), fill_mode="nearest", name="zoom", dtype="float32")],
    "colour": _colour,
}


def _small(
    recipe: ImageClassification, image_shape: tuple[int, int, int], class_names: tuple[str, ...], policy: str
) -> keras.Model:
    return DilatedClassifier(
        image_shape,
        len(class_names),
        rates=recipe.rates,
        depth=recipe.depth,
        reduction=recipe.reduction,
        head=None if recipe.head == "auto" else cast(Any, recipe.head),
        dropout=recipe.dropout,
        class_names=class_names,
        augmentation=augmentation(recipe.augment, image_shape[2]),
        dtype=policy,
    )


def _with_backbone(
    recipe: ImageClassification, image_shape: tuple[int, int, int], class_names: tuple[str, ...], policy: str
) -> keras.Model:
    backbone = _backbone(recipe, (None, None) if recipe.is_undilated else image_shape[:2], policy)
    pixels = keras.Input(image_shape, name="pixels")
    x = pixels
    for layer in augmentation(recipe.augment, image_shape[2]):
        x = layer(x)
    if image_shape[2] == 1:
        x = layers.Concatenate(dtype=policy, name="gray_to_rgb")([x, x, x])
    x = _joined(backbone, x)
    x = layers.GlobalAveragePooling2D(data_format="channels_last", dtype=policy, name="average")(x)
    x = layers.Dropout(recipe.dropout, dtype=policy, name="dropout")(x)
    # Probabilities stay float32 under mixed precision: their logarithm is the loss.
    x = layers.Dense(len(class_names), activation="softmax", dtype="float32", name=_LAST)(x)
    outputs = ClassLabels(class_names, dtype="float32", name="labels")(x)
    return keras.Model(pixels, outputs, name=str(recipe.backbone).lower())


def _joined(backbone: Any, x: Any) -> Any:
    """The backbone's layers called on a tensor one by one: they are the model's own then, which the page shows and explains."""
    for operation in backbone.operations:  # called twice, a layer would have two outputs
        operation._inbound_nodes.clear()
        operation._outbound_nodes.clear()
    inputs = keras.tree.pack_sequence_as(backbone.input, [x])
    try:
        return keras.tree.flatten(backbone._run_through_graph(inputs, operation_fn=lambda operation: operation))[0]
    except ValueError as error:
        size = f"{x.shape[1]} × {x.shape[2]} pixels"
        raise ValueError(f"`image_size` must be large enough for `backbone`. Received: {size}: {error}") from error


def _backbone(recipe: ImageClassification, size: tuple[int | None, int | None], policy: str) -> keras.Model:
    """Pixels → map; of any size where rates are taken away, which is done by looking at another size."""
    shape = (*size, 3)
    name, stride = str(recipe.backbone), recipe.output_stride
    if name not in VARIANTS and not name.startswith("drn_"):
        return _application(recipe, shape, policy)
    made: dict[str, Any] = {"input_shape": shape, "include_top": False, "include_preprocessing": True, "dtype": policy}
    backbone = ResNet(name, output_stride=stride or 32, **made) if name in VARIANTS else DRN(name.removeprefix("drn_"), **made)
    return undilated(backbone) if recipe.is_undilated else backbone


def _application(recipe: ImageClassification, shape: tuple[int | None, int | None, int], policy: str) -> keras.Model:
    weights = "imagenet" if recipe.weights == "imagenet" else None
    try:
        backbone = application(str(recipe.backbone), shape, weights, include_preprocessing=True, policy=policy)
    except ValueError as error:
        known = hasattr(keras.applications, str(recipe.backbone))
        rule = f"`image_size` must be one that {recipe.backbone} takes. Received: {shape[0]} × {shape[1]}: " if known else ""
        raise ValueError(f"{rule}{error}") from error
    except Exception as error:  # `keras.utils.get_file` raises plain `Exception`
        raise ConnectionError(
            f"Weights of {recipe.backbone} could not be downloaded: {error}. Pass a file as `weights`, or leave it out."
        ) from error
    if recipe.output_stride is not None:
        backbone = to_output_stride(backbone, recipe.output_stride, pool="sampled")
    if not recipe.is_undilated:
        return backbone
    plain = undilated(backbone)
    if weights is not None:
        plain.set_weights(backbone.get_weights())
    return plain
