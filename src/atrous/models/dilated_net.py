"""The segmenter that made dilation known: VGG-16 without its last poolings, and a context module behind it.

Source: Yu & Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions" (arXiv 1511.07122).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from atrous.blocks.context import RATES, SIZES, ContextModule, FrontEnd
from atrous.blocks.resize import ResizeLike
from atrous.models.images import check_choice, finished, image_input, policy_name
from atrous.spec import parse_integer

WIDTHS = (64, 128, 256, 512, 512, 4096)
VGG_LAYERS = {
    **{f"conv{stage}_{i}": f"block{stage}_conv{i}" for stage in range(1, 6) for i in range(1, 3 + (stage > 2))},
    "fc6": "fc1",
    "fc7": "fc2",
}
"""What the layers of the front end are called in `keras.applications.VGG16`."""


def DilatedNet(  # noqa: N802
    classes: int = 21,
    input_shape: Sequence[int | None] = (None, None, 3),
    context: str | None = "basic",
    rates: Sequence[int] = RATES,
    widths: Sequence[int] = WIDTHS,
    dropout: float = 0.5,
    activation: Any = None,
    front_end_weights: keras.Model | None = None,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "dilated_net",
) -> keras.Model:
    """Front end → context module → logits, resized to the image.

    Takes `(batch, height, width, channels)`, any size if `input_shape` leaves it open, and returns logits
    `(batch, height, width, classes)`. Layers are `front_end` (maps at stride 8), `context`, `logits`; what is inside is named
    in the docstrings of `FrontEnd` and `ContextModule`.

    The paper trains the front end first, alone (`context=None`), then the whole: the module begins as the identity, so that
    it gives what the front end gives. Take its weights over by `model.get_layer("front_end").set_weights(…)`. There images are
    padded by their mirror image; here, as in the other networks, every layer pads by zeros.

    Args:
        classes: Number of classes, which are the maps between front end and context module.
        input_shape: Height and width, which may be `None`, and channels.
        context: `"basic"`, `"large"` or `None`.
        rates: Of the context module; published 1, 1, 2, 4, 8, 16, 1.
        widths: Channels of the front end's five stages, and of `fc6` and `fc7`.
        dropout: Share dropped behind `fc6` and `fc7` in training.
        activation: Of the output, such as `"softmax"`; `None` gives logits.
        front_end_weights: A `keras.applications.VGG16` with its top, whose weights the front end begins with; it takes images
            as that network does. `None`: random ones.
        weights: File of weights (`.weights.h5` or `.keras`) of the whole model, or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; logits are float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """
    if context is not None:
        check_choice("context", context, SIZES)
    policy = policy_name(dtype)
    options: dict[str, Any] = {"data_format": "channels_last", "dtype": policy}
    inputs = image_input(input_shape)
    front_end = FrontEnd(parse_integer("classes", classes), widths, dropout, **options, name="front_end")
    x = front_end(inputs)
    if context is not None:
        x = ContextModule(classes, context, rates, **options, name="context")(x)
    x = ResizeLike(dtype="float32", name="logits")([x, inputs])
    if activation is not None:
        x = layers.Activation(activation, dtype="float32", name="outputs")(x)
    if front_end_weights is not None:
        _take(front_end, front_end_weights)
    return finished(inputs, x, weights, name)


def _take(front_end: FrontEnd, vgg: keras.Model) -> None:
    """The weights of VGG-16; its dense layers are convolutions over all of their input."""
    units = {unit.name: unit for unit in front_end.chain if unit.name in VGG_LAYERS}
    names = [layer.name for layer in getattr(vgg, "layers", ())]
    if missing := [name for name in VGG_LAYERS.values() if name not in names]:
        raise ValueError(
            "`front_end_weights` must be a keras.applications.VGG16 with `include_top=True`. "
            f"Received: {vgg!r}, without the layers {missing}."
        )
    for name, unit in units.items():
        kernel, bias = vgg.get_layer(VGG_LAYERS[name]).get_weights()
        shape = tuple(unit.conv.kernel.shape)
        if kernel.size != math.prod(shape):
            raise ValueError(
                "`front_end_weights` needs the `widths` and the channels of VGG-16. "
                f"Received: a kernel {shape} in {name!r}, which is {kernel.shape} in VGG-16."
            )
        unit.conv.set_weights([kernel.reshape(shape), bias])
