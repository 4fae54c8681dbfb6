"""What a model costs: parameters, multiply-adds, memory, and what would save some of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from atrous.field import rules as _rules  # registers them
from atrous.field.analysis import Analysis, InputShape
from atrous.field.cost import Macs, macs
from atrous.field.graph import Graph
from atrous.field.kept import operations
from atrous.field.memory import SLOTS, Memory, Program
from atrous.field.savings import Saving, savings
from atrous.field.streamed import ring_buffers

if TYPE_CHECKING:
    from rich.console import RenderableType

assert _rules

LARGEST_BATCH = 2**20
"""No larger batch is looked for."""


@dataclass(frozen=True)
class LayerCost:
    """What one use of a layer costs.

    Args:
        name: Of the layer.
        type: Name of its class.
        output_shape: Without the batch axis.
        parameters: Weights, trainable or not; of a layer used several times, at its first use.
        dense_macs: Multiply-adds for one example, those with padding among them; `None`: not known.
        valid_macs: The same without those with padding.
        activation_bytes: Of its output, for the batch.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    dense_macs: int | None
    valid_macs: int | None
    activation_bytes: int


@dataclass(frozen=True)
class Budget:
    """What a model costs. Multiply-adds are for one example and the forward pass; bytes are for the batch.

    Args:
        model: Its name.
        batch_size: Examples.
        optimizer: Name of the optimizer.
        mixed_precision: Whether activations take 2 bytes an element.
        layers: A row for every use of a layer.
        parameters: Of the model.
        trainable_parameters: Those of them that are trained.
        inference: Memory of a prediction.
        training: Memory of a training step.
        streaming_bytes: Ring buffers, when one sample is given at a time; `None` where that isn't possible.
        streaming_obstacle: Why not, in a sentence.
        ram: Bytes that were given, if any.
        largest_inference_batch: Largest batch that `ram` is enough for; 0: none, `None`: no `ram` was given.
        largest_training_batch: The same for a training step.
        savings: Ways to save.
        unknown: Layers whose multiply-adds are not known; they are missing from the sums.
    """

    model: str
    batch_size: int
    optimizer: str
    mixed_precision: bool
    layers: tuple[LayerCost, ...]
    parameters: int
    trainable_parameters: int
    inference: Memory
    training: Memory
    streaming_bytes: int | None
    streaming_obstacle: str | None
    ram: int | None
    largest_inference_batch: int | None
    largest_training_batch: int | None
    savings: tuple[Saving, ...]
    unknown: tuple[str, ...]

    @property
    def dense_macs(self) -> int:
        """Multiply-adds with padding, of the layers where they are known."""
        return sum(row.dense_macs or 0 for row in self.layers)

    @property
    def valid_macs(self) -> int:
        """Multiply-adds without padding, of the layers where they are known."""
        return sum(row.valid_macs or 0 for row in self.layers)

    @property
    def inference_bytes(self) -> int:
        """Memory of a prediction, all of it."""
        return self.inference.total

    @property
    def training_bytes(self) -> int:
        """Memory of a training step, all of it."""
        return self.training.total

    def to_json(self) -> str:
        """Everything as JSON."""
        sums = {name: getattr(self, name) for name in ("dense_macs", "valid_macs", "inference_bytes", "training_bytes")}
        return json.dumps(asdict(self) | sums)

    def __rich__(self) -> RenderableType:
        """A table for the terminal."""
        return budget_table(self)


def budget_table(budget: Budget) -> RenderableType:
    """A row a layer, then the sums, memory, and what would save some of it."""
    from atrous.field.budget_lines import table

    return table(budget)


def budget(
    model: Any,
    input_shape: InputShape | None = None,
    batch_size: int = 1,
    ram: int | None = None,
    mixed_precision: bool = False,
    optimizer: str = "adam",
) -> Budget:
    """Counts what a model costs by arithmetic on its layers; nothing is computed with it.

    Memory is that of TensorFlow on a CPU, built with oneDNN: which tensors are kept for the gradients, which are overwritten,
    and what the allocator leaves unused between. It is what a process takes beyond what it took after `import keras`.
    `benchmarks/predicted_and_measured_memory.py` measures it. What recurrent and attention layers keep inside is counted
    by formula and wasn't measured.

    Args:
        model: A `keras.Model`; functional, sequential, or a subclass whose `call` is made of layers and `keras.ops`.
        input_shape: Of the input without its batch axis, or one for each input; needed where the model leaves lengths open.
        batch_size: Examples of a prediction and of a training step.
        ram: Bytes that the model may take, to learn the largest batch.
        mixed_precision: Count activations as 2 bytes an element, whatever the model's own policy.
        optimizer: Name of one of Keras's optimizers.

    Raises:
        ValueError: An argument breaks its rule, a length is open, or a layer is of a type that isn't known.
    """
    _check(batch_size, ram, optimizer)
    analysis = Analysis(model, input_shape)
    graph = analysis.graph
    if graph.assumed:
        raise ValueError(
            "`input_shape` must give every length, for cost depends on it. "
            f"Received: input_shape={input_shape}, and {model.name!r} leaves a length open."
        )
    plain = _program(model, graph)
    program = plain.mixed() if mixed_precision else plain
    costs = [macs(use) for use in graph.uses]
    streaming, obstacle = ring_buffers(analysis, program.itemsize)
    return Budget(
        model=model.name,
        batch_size=batch_size,
        optimizer=optimizer,
        mixed_precision=mixed_precision,
        layers=tuple(_rows(graph, costs, batch_size, program.itemsize)),
        parameters=sum(program.weights),
        trainable_parameters=sum(math.prod(w.shape) for w in model.trainable_weights),
        inference=program.predict(batch_size),
        training=program.train(batch_size, optimizer),
        streaming_bytes=streaming,
        streaming_obstacle=obstacle,
        ram=ram,
        largest_inference_batch=None if ram is None else largest_batch(lambda n: program.predict(n).total, ram),
        largest_training_batch=None if ram is None else largest_batch(lambda n: program.train(n, optimizer).total, ram),
        savings=tuple(savings(graph, plain, batch_size, optimizer, mixed_precision)),
        unknown=tuple(use.name for use, cost in zip(graph.uses, costs, strict=True) if cost is None),
    )


def _check(batch_size: int, ram: int | None, optimizer: str) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}.")
    if ram is not None and ram <= 0:
        raise ValueError(f"`ram` must be a positive number of bytes. Received: ram={ram!r}.")
    if optimizer not in SLOTS:
        raise ValueError(f"`optimizer` must be one of {', '.join(map(repr, SLOTS))}. Received: optimizer={optimizer!r}.")


def _program(model: Any, graph: Graph) -> Program:
    steps, sizes = operations(graph)
    weights = tuple(math.prod(w.shape) for w in model.weights)
    return Program(steps, sizes, tuple(graph.inputs.values()), tuple(graph.outputs), weights)


def largest_batch(bytes_of: Callable[[int], int], ram: int) -> int:
    """The largest batch whose bytes are at most `ram`, found by halving: one more is too many. 0 if not even 1 fits.

    Args:
        bytes_of: From a batch to its bytes.
        ram: Bytes.
    """
    if bytes_of(1) > ram:
        return 0
    fits, fails = 1, 2
    while bytes_of(fails) <= ram:
        fits, fails = fails, 2 * fails
        if fits >= LARGEST_BATCH:
            return fits
    while fails - fits > 1:
        middle = (fits + fails) // 2
        fits, fails = (middle, fails) if bytes_of(middle) <= ram else (fits, middle)
    return fits


def _rows(graph: Graph, costs: Sequence[Macs | None], batch_size: int, itemsize: int) -> Iterator[LayerCost]:
    seen: set[int] = set()
    for use, cost in zip(graph.uses, costs, strict=True):
        weights = [w for w in getattr(use.layer, "weights", ()) if id(w) not in seen]
        seen.update(map(id, weights))
        shapes = [graph.shapes[made] for made in use.outputs]
        yield LayerCost(
            name=use.name,
            type=type(use.layer).__name__,
            output_shape=shapes[0],
            parameters=sum(math.prod(w.shape) for w in weights),
            dense_macs=None if cost is None else cost.dense,
            valid_macs=None if cost is None else cost.valid,
            activation_bytes=batch_size * itemsize * sum(map(math.prod, shapes)),
        )
