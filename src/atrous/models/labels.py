"""What a segmenter's labels mean, inside the model: whoever has the file has the names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from atrous.blocks.unit import register


@register
class ClassLabels(keras.layers.Identity):
    """Returns what comes; knows the names and colours of the last axis's classes.

    Args:
        class_names: A name a class.
        palette: Red, green and blue, 0 … 255, of each.
        void: The label of pixels without a class in masks.
        **kwargs: `name`, `dtype`.
    """

    def __init__(
        self, class_names: Sequence[str], palette: Sequence[Sequence[int]] = (), void: int = 255, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.class_names = tuple(class_names)
        self.palette = tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
        self.void = void

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"class_names": list(self.class_names), "palette": [list(color) for color in self.palette], "void": self.void}
        return {**super().get_config(), **own}
