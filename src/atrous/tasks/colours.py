"""Random colours: Keras's own layers, with what they draw depending on nothing but seed, epoch and batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_LAYERS: tuple[Any, ...] = (  # only what they draw is seeded here
    lambda: keras.layers.RandomBrightness(0.15, dtype="float32"),
    lambda: keras.layers.RandomContrast(0.2, dtype="float32"),
    lambda: keras.layers.RandomSaturation((0.4, 0.6), dtype="float32"),
)


class Colours:
    """Changes brightness, contrast and saturation of images, or, if they aren't asked for, nothing.

    Args:
        asked: Whether they are.
        seed: Of the training.
    """

    def __init__(self, asked: bool, seed: int) -> None:
        self.seed = seed
        self._layers = [make() for make in _LAYERS] if asked else []

    def __call__(self, images: NDArray[np.float32], epoch: int, batch: int) -> NDArray[np.float32]:
        """Images of batch number `batch` of an epoch, (b, height, width, 3), 0..255; returns the same."""
        changed: Any = keras.ops.convert_to_tensor(images)
        for i, layer in enumerate(self._layers):
            seed = int(np.random.SeedSequence((self.seed, epoch, batch, i)).generate_state(1)[0] >> 1)
            drawn = layer.get_random_transformation(changed, training=True, seed=seed)
            changed = layer.transform_images(changed, drawn, training=True)
        return np.clip(np.asarray(keras.ops.convert_to_numpy(changed), np.float32), 0, 255)
