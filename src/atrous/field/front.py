"""What `design` answers: stacks of layers, none of which another beats in every cost."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from atrous.field.code import keras_code, repetition

WIDTH = 128  # of the table as text, in characters
Rate = int | tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """What a stack costs, in float32, for one example of the input size that was asked for.

    Args:
        layers: Convolutions one behind the other.
        parameters: Weights and biases.
        macs: Multiply-adds, those that meet padding included.
        memory: Bytes of activations that are alive at once: of the layer whose input and output are largest together.
        seconds: What the cost model of the native core expects on one thread, undilated and with every tap meeting data; `None`
            where the core isn't installed, and under ATROUS_NATIVE=0. For comparison between stacks, not a promise: padding
            makes it less, and large rates more if there are only a few channels.
        state: Bytes of the ring buffers that step-by-step inference keeps of each layer's input, (k − 1)·r positions a layer;
            `None` if the stack isn't causal.
    """

    layers: int
    parameters: int
    macs: int
    memory: int
    seconds: float | None = None
    state: int | None = None


@dataclass(frozen=True)
class Stack:
    """Layers one behind the other that see a field without holes.

    Args:
        rates: Dilation rate of each layer, first to last: an integer, or one an axis where axes differ.
        kernel_sizes: Kernel size of each layer, the same on every axis.
        strides: Stride of each layer, the same on every axis.
        receptive_field: Input positions that one output sees, all of them: an integer, or one an axis where axes differ.
        cost: What it costs.
        rank: Number of spatial axes.
        channels: Filters of each layer.
        input_channels: Channels of the input.
        causal: Whether an output sees nothing behind its own position.
    """

    rates: tuple[Rate, ...]
    kernel_sizes: tuple[int, ...]
    strides: tuple[int, ...]
    receptive_field: Rate
    cost: Cost
    rank: int
    channels: int
    input_channels: int
    causal: bool = False

    def code(self) -> str:
        """Python code that makes the stack as a Keras model, `model`, of `atrous.layers`."""
        return keras_code(self)


@dataclass(frozen=True)
class Design:
    """What `design` found: print it, or take a stack of its front.

    Args:
        front: The stacks, those of few layers first. For each, every other is worse in some cost, and so is every stack that
            was left out.
        receptive_field: Positions along each axis that were asked for.
        input_size: Positions along each axis of the input that costs are for.
    """

    front: tuple[Stack, ...]
    receptive_field: tuple[int, ...]
    input_size: tuple[int, ...]

    def __str__(self) -> str:
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=WIDTH).print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        columns = [column for column in _columns(self) if any(cell for cell in column[1:])]
        table = Table(box=box.SIMPLE_HEAD)
        for name, *_ in columns:
            table.add_column(name, justify="left" if name in ("kernel sizes", "rates", "strides") else "right", overflow="fold")
        for row in zip(*(cells for _, *cells in columns), strict=True):
            table.add_row(*map(Text, row))
        field, channels = _sizes(self.receptive_field), f"{self.front[0].input_channels} → {self.front[0].channels} channels"
        title = f"Stacks that see at least {field} positions without holes, {channels}"
        return Group(Text(title, style="bold"), table, Text(f"Costs are for an input of {_sizes(self.input_size)} in float32."))


def _columns(design: Design) -> Iterator[list[str]]:
    """A name and a cell a stack; empty cells where a column says nothing."""
    front = design.front
    yield ["#", *(str(number) for number in range(1, len(front) + 1))]
    yield ["layers", *(str(stack.cost.layers) for stack in front)]
    yield ["kernel sizes", *(_runs(stack.kernel_sizes) for stack in front)]
    yield ["rates", *(_rates(stack.rates) for stack in front)]
    yield ["strides", *(_runs(stack.strides) if max(stack.strides) > 1 else "" for stack in front)]
    yield ["field", *(_sizes(stack.receptive_field) for stack in front)]
    yield ["parameters", *(short(stack.cost.parameters) for stack in front)]
    yield ["multiply-adds", *(short(stack.cost.macs) for stack in front)]
    yield ["memory", *(short(stack.cost.memory, 1024) + "B" for stack in front)]
    yield ["latency", *("" if stack.cost.seconds is None else short(stack.cost.seconds) + "s" for stack in front)]
    yield ["state", *("" if stack.cost.state is None else short(stack.cost.state, 1024) + "B" for stack in front)]


def short(number: float, thousand: int = 1000) -> str:
    """Such as 38.7 M, 12 Ki (by 1024) or 1.2 m."""
    units = ["", "Ki", "Mi", "Gi", "Ti"] if thousand == 1024 else ["n", "µ", "m", "", "k", "M", "G", "T"]
    index = units.index("")
    while abs(number) >= thousand * 0.9995 and index + 1 < len(units):
        number, index = number / thousand, index + 1
    while 0 < abs(number) < 0.9995 and index > 0:
        number, index = number * thousand, index - 1
    digits = f"{number:.3g}" if number < 999.5 else f"{number:.0f}"
    return f"{digits} {units[index]}"


def _runs(numbers: tuple[int, ...]) -> str:
    """Such as "7, 3 ×5"."""
    runs = [(number, len(list(group))) for number, group in groupby(numbers)]
    return ", ".join(f"{number} ×{count}" if count > 1 else str(number) for number, count in runs)


def _rates(rates: Sequence[Rate]) -> str:
    group, times = repetition(rates)
    line = ", ".join(map(_sizes, group))
    return line if times == 1 else f"({line}) ×{times}"


def _sizes(sizes: Rate) -> str:
    return str(sizes) if isinstance(sizes, int) else "×".join(map(str, sizes))
