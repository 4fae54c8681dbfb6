"""The registry of translations, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import tree

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.streaming.core.drafting import Draft, array

Translation = Callable[[Draft, Use], None]

LAYERS: dict[type, Translation] = {}
OPERATIONS: dict[str, Translation] = {}


def translates(*types: type) -> Callable[[Translation], Translation]:
    """Registers the translation of types of layers, and of what derives from them."""

    def remember(function: Translation) -> Translation:
        LAYERS.update(dict.fromkeys(types, function))
        return function

    return remember


def translates_operation(*names: str) -> Callable[[Translation], Translation]:
    """Registers the translation of operations by the names of their classes."""

    def remember(function: Translation) -> Translation:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return remember


def time_map(use: Use, place: int = 0) -> AxisMap:
    """What is read along time; of an input without time, what is read of its single position."""
    return next((link.map for link in use.reads[0].links[place] if 0 in link.out_of), AxisMap.identity())


def check_format(draft: Draft, layer: Any) -> None:
    """Refuses channels that come first."""
    if layer.data_format != "channels_last":
        raise draft.refusal("its channels come first; the native core has them last")


def check_last(draft: Draft, use: Use, axis: Any) -> None:
    """Refuses an axis that isn't that of channels."""
    rank = len(use.call.shape)
    axes = tree.flatten(axis)
    if len(axes) != 1 or axes[0] not in (-1, rank):
        raise draft.refusal("it works along another axis than channels")
    draft.channels(use.inputs[0])


def bias_of(layer: Any) -> np.ndarray | None:
    """The bias of a layer, if it has one."""
    return array(layer.bias) if layer.use_bias else None
