"""Keras code for a stack of `design`: what a reader would write by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from atrous.field.front import Stack

T = TypeVar("T")

LINE = 100  # characters up to which the table of layers stands on one line


def keras_code(stack: Stack) -> str:
    """A functional model called `model`; what all layers have in common is written once."""
    varying = {"kernel_size": stack.kernel_sizes, "strides": stack.strides, "dilation_rate": stack.rates}
    varying = {name: values for name, values in varying.items() if len(set(values)) > 1 or name == "dilation_rate"}
    names = ", ".join(varying)
    rows = [values[0] if len(varying) == 1 else values for values in zip(*varying.values(), strict=True)]
    arguments = [str(stack.channels), "kernel_size" if "kernel_size" in varying else str(stack.kernel_sizes[0])]
    if max(stack.strides) > 1:
        arguments.append("strides=strides" if "strides" in varying else f"strides={stack.strides[0]}")
    arguments += ["dilation_rate=dilation_rate", f'padding="{"causal" if stack.causal else "same"}"', 'activation="relu"']
    layer, shape = f"Conv{stack.rank}D", ("None, " * stack.rank) + str(stack.input_channels)
    field = stack.receptive_field
    seen = f"{field if isinstance(field, int) else '×'.join(map(str, field))} input positions{_axes(stack)}"
    return f"""import keras

from atrous.layers import {layer}

# Each output sees {seen}, none left out.
inputs = keras.Input(({shape}))
x = inputs
for {names} in {_listed(rows)}:
    x = {layer}({", ".join(arguments)})(x)
model = keras.Model(inputs, x)
"""


def _axes(stack: Stack) -> str:
    return " along each axis" if stack.rank > 1 and isinstance(stack.receptive_field, int) else ""


def _listed(rows: Sequence[object]) -> str:
    group, times = repetition(rows)
    line = f"[{', '.join(map(str, group))}]"
    block = line if len(line) <= LINE else "[\n" + "".join(f"    {row},\n" for row in group) + "]"
    return block if times == 1 else f"{block} * {times}"


def repetition(rows: Sequence[T]) -> tuple[Sequence[T], int]:
    """The shortest group of two or more that the rows repeat, and how often; all of them, once, if there is none."""
    for length in range(2, len(rows) // 2 + 1):
        times, rest = divmod(len(rows), length)
        if not rest and tuple(rows) == tuple(rows[:length]) * times and len(set(rows)) > 1:
            return rows[:length], times
    return rows, 1
