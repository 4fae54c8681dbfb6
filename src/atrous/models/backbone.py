"""What a segmenter needs of a backbone, whichever it is: a map at the output stride, one at stride 4, one in between."""

from __future__ import annotations

import contextlib
import inspect
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from atrous.models.images import image_input
from atrous.models.resnet import VARIANTS, ResNet
from atrous.spec import parse_integer

LOW_LEVEL_STRIDE = 4
PADDINGS = ("ZeroPadding", "Cropping", "StridedPadding")


class Maps(NamedTuple):
    """Symbolic maps of a backbone, (batch, height, width, channels).

    Args:
        inputs: What it takes.
        low: The last map at stride 4.
        middle: The last map at half the stride that the backbone has of its own, where an auxiliary head looks; or `None`.
        high: What it returns, at the output stride.
    """

    inputs: Any
    low: Any
    middle: Any
    high: Any


def backbone_maps(
    backbone: str | keras.Model,
    output_stride: int,
    input_shape: Sequence[int | None] | None = None,
    multi_grid: Sequence[int] | None = None,
    weights: str | Path | None = None,
    include_preprocessing: bool = False,
    policy: str | None = None,
) -> Maps:
    """Makes a backbone with the output stride that is asked for, and finds its maps by what they see.

    Args:
        backbone: Name of a built-in residual network (`"resnet_50"`), of a network of `keras.applications` (`"MobileNetV2"`),
            or a functional `keras.Model` that returns a map; it is copied, its weights with it.
        output_stride: Input positions between neighbours of the last map.
        input_shape: Height and width, which may be `None`, and channels. Of a given model: its own.
        multi_grid: As for `ResNet`; for those alone.
        weights: `"imagenet"` (of `keras.applications` alone), a file, or `None`.
        include_preprocessing: Whether pixels, 0 … 255, are normalised as the backbone expects; not for a given model.
        policy: Type or policy of the layers; of a given model: its own.

    Raises:
        ValueError: An argument breaks its rule; the backbone has no map at stride 4, or can't be dilated exactly.
    """
    if isinstance(backbone, str) and backbone in VARIANTS:
        return _built_in(backbone, output_stride, input_shape, multi_grid, weights, include_preprocessing, policy)
    if multi_grid is not None:
        raise ValueError(
            f"`multi_grid` must be None but for a built-in backbone: {', '.join(VARIANTS)}. "
            f"Received: multi_grid={multi_grid!r}."
        )
    if isinstance(backbone, str):
        model = application(backbone, input_shape, weights, include_preprocessing, policy)
    else:
        model = _given(backbone, input_shape, weights, include_preprocessing)
    return _dilated(model, output_stride)


def freeze(model: keras.Model, until: str | None) -> None:
    """Freezes the layer `until` and all that it is made from; what stands behind, or beside, is trained.

    Frozen layers keep their weights; their batch normalisation keeps its means and variances, too, and normalises by them in
    training. To fine-tune a DeepLab stage by stage, freeze up to the last stage first, train, then up to an earlier one; a
    model must be compiled anew each time.

    Args:
        model: A functional model.
        until: Name of a layer, such as `"stage3"` of the built-in backbones; `None` freezes nothing.

    Raises:
        ValueError: There is no such layer.
    """
    names = [layer.name for layer in model.layers]
    if until is not None and until not in names:
        raise ValueError(f"`until` must be None or the name of a layer of the model. Received: until={until!r}.")
    frozen = set() if until is None else _made_from(model.get_layer(until).output)
    for layer in model.layers:
        layer.trainable = id(layer) not in frozen


def _made_from(tensor: Any) -> set[int]:
    """The ids of the layers that a tensor is made by."""
    found: set[int] = set()
    waiting = [tensor._keras_history]
    while waiting:
        operation, index, _ = waiting.pop()
        if id(operation) not in found:
            found.add(id(operation))
            waiting.extend(parent._keras_history for parent in operation._inbound_nodes[index].input_tensors)
    return found


def _built_in(
    name: str,
    output_stride: int,
    input_shape: Sequence[int | None] | None,
    multi_grid: Sequence[int] | None,
    weights: str | Path | None,
    include_preprocessing: bool,
    policy: str | None,
) -> Maps:
    if weights == "imagenet":
        raise ValueError(
            "`backbone_weights` must be None or a file for a built-in backbone; import PyTorch's by "
            "`atrous.surgery.import_weights`. Received: backbone_weights='imagenet'."
        )
    model = ResNet(
        name,
        input_shape=_shape(input_shape),
        output_stride=output_stride,
        multi_grid=multi_grid,
        include_top=False,
        include_preprocessing=include_preprocessing,
        weights=weights,
        dtype=policy,
    )
    return Maps(model.input, model.get_layer("stage1").output, model.get_layer("stage3").output, model.output)


def application(
    name: str, input_shape: Sequence[int | None] | None, weights: Any, include_preprocessing: bool, policy: str | None
) -> Any:
    """Makes a network of `keras.applications` without its top; arguments are those of `backbone_maps`.

    Raises:
        ValueError: There is none of that name.
    """
    known = {key: value for key, value in vars(keras.applications).items() if key[0].isupper() and inspect.isfunction(value)}
    if name not in known:
        raise ValueError(
            f"`backbone` must be a keras.Model, one of {', '.join(VARIANTS)}, or a name of `keras.applications`: "
            f"{', '.join(sorted(known))}. Received: backbone={name!r}."
        )
    inputs = image_input(_shape(input_shape))
    with _dtype_policy(policy), warnings.catch_warnings():
        # That weights for 224 pixels are taken at other sizes is what is wanted.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        x = _preprocessed(inputs, known[name]) if include_preprocessing else inputs
        return known[name](include_top=False, weights=weights, input_tensor=x, input_shape=tuple(inputs.shape[1:]))


def _shape(input_shape: Sequence[int | None] | None) -> Sequence[int | None]:
    return (None, None, 3) if input_shape is None else input_shape


def _preprocessed(pixels: Any, application: Any) -> Any:
    """What `preprocess_input` of a network of `keras.applications` does, as layers: it is a sum and a factor a channel."""
    function = sys.modules[application.__module__].preprocess_input
    black, *single = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).astype("float32")[:, None, None, None]
    offset = np.asarray(function(black, data_format="channels_last")).ravel()
    rows = [np.asarray(function(one, data_format="channels_last")).ravel() - offset for one in single]
    factors = np.array(rows) / 255
    if factors[0, 2]:
        pixels = layers.Concatenate(name="bgr")(ops.split(pixels, 3, axis=-1)[::-1])
        factors = factors[::-1]
    if np.array_equal(factors, np.eye(3)) and not offset.any():
        return pixels
    return layers.Rescaling(np.diag(factors).tolist(), offset.tolist(), name="normalize")(pixels)


@contextlib.contextmanager
def _dtype_policy(policy: str | None) -> Iterator[None]:
    """Networks of `keras.applications` take no policy but the global one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _given(backbone: Any, input_shape: Sequence[int | None] | None, weights: Any, include_preprocessing: bool) -> Any:
    if not isinstance(backbone, keras.Model) or len(getattr(backbone, "inputs", None) or ()) != 1:
        raise ValueError(
            f"`backbone` must be a name or a functional keras.Model with one input. Received: backbone={backbone!r}."
        )
    own = tuple(backbone.inputs[0].shape[1:])
    if input_shape is not None and tuple(input_shape) != own:
        raise ValueError(
            f"`input_shape` must be None or the backbone's own, {own}. Received: input_shape={input_shape!r}. "
            "Make the backbone with that shape."
        )
    if include_preprocessing:
        raise ValueError(
            "`include_preprocessing` must be False with a backbone that is a model: put it into that model. "
            "Received: include_preprocessing=True."
        )
    if weights is not None:
        raise ValueError(
            "`backbone_weights` must be None with a backbone that is a model, which has weights. "
            f"Received: backbone_weights={weights!r}."
        )
    return backbone


def _dilated(model: Any, output_stride: int) -> Maps:
    """The maps of a foreign backbone; it is dilated by `to_output_stride`."""
    from atrous.field import analyze  # models are loaded at start: what only foreign backbones need is not
    from atrous.surgery.striding import to_output_stride

    parse_integer("output_stride", output_stride)
    report = analyze(model)
    own = report.output.stride
    names: dict[Any, str] = {}
    for layer in model.layers:
        if not type(layer).__name__.startswith(PADDINGS) and layer.name in report.named and _is_map(layer.output):
            names[report[layer.name].stride] = layer.name
    low = (LOW_LEVEL_STRIDE,) * len(own)
    if low not in names or len(model.output.shape) != 4:
        strides = sorted({int(stride[0]) for stride in names if len(set(stride)) == 1 and stride[0] >= 1})
        raise ValueError(
            f"`backbone` must return a map, and have one at stride {LOW_LEVEL_STRIDE} inside, which the decoder looks at. "
            f"Received: {model.name!r}, whose maps have strides {strides}, and which returns shape {model.output.shape}."
        )
    middle = names.get(tuple(stride / 2 for stride in own))
    # Asked for as outputs, maps are found again even where blocks are taken apart and their names are gone.
    inner = [model.get_layer(name).output for name in (names[low], middle) if name is not None]
    dilated = to_output_stride(keras.Model(model.inputs, [model.output, *inner]), output_stride, pool="sampled")
    output, low_level, *rest = dilated.outputs
    return Maps(dilated.inputs[0], low_level, rest[0] if rest else None, output)


def _is_map(tensor: Any) -> bool:
    return isinstance(tensor, keras.KerasTensor) and len(tensor.shape) == 4
