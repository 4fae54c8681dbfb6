"""The dilated image classifier: a small network that sees far at full resolution, trained in minutes on two cores."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers

from atrous.layers import Conv2D
from atrous.spec import parse_integer

FLATTEN_UP_TO = 64
"""Pixels a side up to which the head flattens the feature map; above, its dense layer would be the whole model."""


@keras.saving.register_keras_serializable("atrous")
class DilatedClassifier(keras.Model):
    """Conv 32 → pool → Conv 64 → pool → dilated Conv 128 → 1×1 Conv 64 → head → Dense 128 → Dropout → Dense classes.

    Takes raw pixels (0 … 255), (batch, height, width, channels), and returns probabilities, (batch, classes).

    Args:
        input_shape: Height, width and channels; height and width may be `None` with `head="average"`.
        classes: Number of classes.
        rates: Dilation rate of each 3×3 layer at the lowest resolution: one layer a rate.
        depth: Number of convolution-and-pooling stages in front, of 32, 64, 128, … filters.
        reduction: Filters of the 1×1 layer in front of the head; 0 leaves it out.
        head: `"flatten"`, `"average"` (global), or `None`: flatten up to 64 pixels a side, average above.
        dropout: Share of the last hidden layer's units dropped in training.
        class_names: A name for each class; it travels with the saved model.
        augmentation: Keras layers applied in training in front of everything else, such as `keras.layers.RandomFlip`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; Keras's global policy if `None`.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        input_shape: Sequence[int | None],
        classes: int,
        rates: int | Sequence[int] = (2,),
        depth: int = 2,
        reduction: int = 64,
        head: Literal["flatten", "average"] | None = None,
        dropout: float = 0.5,
        class_names: Sequence[str] | None = None,
        augmentation: Sequence[keras.layers.Layer] = (),
        dtype: Any = None,
        name: str = "dilated_classifier",
    ) -> None:
        classes = parse_integer("classes", classes)
        depth = parse_integer("depth", depth, minimum=0)
        reduction = parse_integer("reduction", reduction, minimum=0)
        every_rate = rates if isinstance(rates, (tuple, list)) else (rates,)
        rates = tuple(parse_integer("rates", rate) for rate in every_rate)
        if not rates:
            raise ValueError("`rates` must have at least one rate: one dilated layer a rate. Received: rates=().")
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(f"`input_shape` must be (height, width, channels). Received: input_shape={input_shape!r}.")
        if class_names is not None and len(class_names) != classes:
            raise ValueError(f"`class_names` must have {classes} entries, one a class. Received: class_names={class_names!r}.")
        head = head or _default_head(input_shape[:2])
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy()).name
        layout = {"dtype": policy, "data_format": "channels_last"}
        conv = functools.partial(Conv2D, padding="same", activation="relu", **layout)

        inputs = keras.Input(input_shape, name="pixels")
        x = inputs
        for layer in augmentation:
            x = layer(x)
        x = layers.Rescaling(1 / 255, dtype=policy, name="rescale")(x)
        for stage in range(1, depth + 1):
            x = conv(16 * 2**stage, 3, name=f"conv{stage}")(x)
            x = layers.MaxPooling2D(padding="same", **layout, name=f"pool{stage}")(x)
        for index, rate in enumerate(rates, 1):
            x = conv(128, 3, dilation_rate=rate, name="dilated" if len(rates) == 1 else f"dilated{index}")(x)
        if reduction:
            x = conv(reduction, 1, name="reduce")(x)
        x = _head_layer(head, input_shape, layout)(x)
        x = layers.Dense(128, activation="relu", dtype=policy, name="dense")(x)
        x = layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        # Probabilities stay float32 under mixed precision: their logarithm is the loss.
        outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
        super().__init__(inputs, outputs, name=name)

        self.class_names = None if class_names is None else tuple(class_names)
        self._arguments = {
            "input_shape": tuple(input_shape),
            "classes": classes,
            "rates": rates,
            "depth": depth,
            "reduction": reduction,
            "head": head,
            "dropout": dropout,
            "class_names": self.class_names and list(self.class_names),
            "dtype": policy,
            "augmentation": [keras.saving.serialize_keras_object(layer) for layer in augmentation],
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and which layers are frozen."""
        frozen = [layer.name for layer in self.layers if not layer.trainable]
        return {**self._arguments, "name": self.name, "frozen": frozen}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DilatedClassifier:
        """Builds the model again from `get_config`."""
        config = dict(config)
        frozen = config.pop("frozen")
        config["augmentation"] = [
            keras.saving.deserialize_keras_object(layer, custom_objects) for layer in config["augmentation"]
        ]
        model = cls(**config)
        for layer in frozen:
            model.get_layer(layer).trainable = False
        return model


def _default_head(space: Sequence[int | None]) -> Literal["flatten", "average"]:
    return "flatten" if all(n is not None and n <= FLATTEN_UP_TO for n in space) else "average"


def _head_layer(head: str, input_shape: Sequence[int | None], layout: dict[str, str]) -> keras.layers.Layer:
    if head == "average":
        return layers.GlobalAveragePooling2D(**layout, name="average")
    if head != "flatten":
        raise ValueError(f"`head` must be 'flatten', 'average' or None. Received: head={head!r}.")
    if None in input_shape:
        raise ValueError(
            "`input_shape` must be known with `head='flatten'`; use `head='average'` for images of any size. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    return layers.Flatten(**layout, name="flatten")
