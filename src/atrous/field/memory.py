"""Memory of a prediction and of a training step, by going through the operations as TensorFlow does.

Every tensor is taken from an `Arena` and given back when the last operation that reads it, forward or backward, is done. So the
result holds what is alive at once, and what the allocator leaves unused between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from atrous.field.arena import Arena, Piece
from atrous.field.kept import IN_PLACE, NEW, VIEW, Operation

SLOTS = {
    "sgd": 0,
    "rmsprop": 1,
    "adagrad": 1,
    "lion": 1,
    "adam": 2,
    "adamw": 2,
    "nadam": 2,
    "adamax": 2,
    "adadelta": 2,
    "ftrl": 2,
}
"""Variables that an optimizer keeps for each weight, at Keras's defaults."""

FLOAT32 = 4
LOSS = 2
"""Tensors of the size of the output that a loss makes."""


@dataclass(frozen=True)
class Framework:
    """What TensorFlow itself takes while it makes and runs a graph, bytes: measured with models of tiny tensors.

    Args:
        once: Whatever the model.
        operation: For each operation.
        product: For each convolution or product, whose oneDNN kernel is compiled when it is first met.
        normalisation: For each normalisation, which is many nodes.
        weight: For each trainable weight.
        slot: For each of its optimizer's variables.
    """

    once: float
    operation: float
    product: float
    normalisation: float
    weight: float
    slot: float


PREDICTING = Framework(16e6, 0.1e6, 0.25e6, 0.5e6, 0.0, 0.0)
TRAINING = Framework(26e6, 0.1e6, 0.5e6, 2.0e6, 0.1e6, 0.7e6)


@dataclass(frozen=True)
class Memory:
    """Bytes of a prediction or of a training step.

    Args:
        weights: Of the model.
        slots: Of the optimizer.
        saved: Tensors that are there when the forward pass ends: kept for the backward pass, and the input.
        passing: What else is live at the fullest moment: gradients, temporaries, workspaces.
        unused: What the allocator holds beyond.
        framework: What TensorFlow itself takes: see `Framework`.
    """

    weights: int
    slots: int
    saved: int
    passing: int
    unused: int
    framework: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.live + self.unused + self.framework

    @property
    def live(self) -> int:
        """The tensors alone: what an ideal allocator would need."""
        return self.weights + self.slots + self.saved + self.passing


@dataclass(frozen=True)
class Program:
    """A model as operations.

    Args:
        operations: In order.
        sizes: Elements of every tensor for one example, by its number.
        inputs: Numbers of the model's inputs.
        outputs: Numbers of its outputs.
        weights: Elements of every weight.
        itemsize: Bytes of an element of an activation.
    """

    operations: Sequence[Operation]
    sizes: Sequence[int]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weights: tuple[int, ...]
    itemsize: int = FLOAT32

    def predict(self, batch: int) -> Memory:
        """Memory of a prediction of `batch` examples."""
        run = _Run(self, batch)
        run.forward(self.operations, keep=False)
        return run.memory()

    def train(self, batch: int, optimizer: str = "adam", segments: int | None = None) -> Memory:
        """Memory of a training step.

        Args:
            batch: Examples.
            optimizer: A name in `SLOTS`.
            segments: Parts of which only what passes between them is kept, and each computed again; `None`: all is kept.
        """
        run = _Run(self, batch, optimizer)
        run.train(segments or 1)
        return run.memory()

    def mixed(self) -> Program:
        """The same in mixed precision: activations of 2 bytes; the caller's input, weights and normalisations stay float32.

        Keras computes a normalisation in float32 and keeps its input as such.
        """
        sizes, casts = list(self.sizes), {}
        first = []
        for number in self.inputs:
            casts[number] = len(sizes)
            sizes.append(sizes[number])
            sizes[number] *= 2
            first.append(Operation("cast", (number,), (casts[number],)))
        steps = [replace(step, inputs=tuple(casts.get(n, n) for n in step.inputs)) for step in self.operations]
        steps = [replace(step, saved=tuple(casts.get(n, n) for n in step.saved)) for step in steps]
        return replace(self, operations=[*first, *(_in_float32(step, sizes) for step in steps)], sizes=sizes, itemsize=2)

    @property
    def trainable(self) -> list[int]:
        """Elements of every trainable weight."""
        return [size for step in self.operations for size in step.weights]


def _in_float32(step: Operation, sizes: Sequence[int]) -> Operation:
    if not step.normalises:
        return step
    size = sizes[step.outputs[0]]
    forward, backward, extra = 2 * (step.forward + size), 2 * step.backward, 2 * (step.extra + size)
    return replace(step, output=NEW, predicting=None, saved=(), extra=extra, forward=forward, backward=backward)


def _read_after(parts: Sequence[Sequence[Operation]], part: Sequence[Operation]) -> set[int]:
    """Tensors made in a part that later parts read."""
    at = next(i for i, one in enumerate(parts) if one is part)
    made = {number for step in part for number in step.outputs}
    return made & {number for later in parts[at + 1 :] for step in later for number in step.inputs}


@dataclass
class _Buffer:
    """A piece of memory and how many are still to read it."""

    piece: Piece | None
    readers: int = 0


@dataclass
class _Run:
    program: Program
    batch: int
    optimizer: str | None = None
    arena: Arena = field(default_factory=Arena)
    tensors: dict[int, _Buffer] = field(default_factory=dict)
    gradients: dict[int, _Buffer] = field(default_factory=dict)
    extras: dict[int, Piece | None] = field(default_factory=dict)
    saved: int = 0
    fixed: int = 0
    turned: bool = False

    def __post_init__(self) -> None:
        self.terms = SLOTS[self.optimizer] if self.optimizer else 0
        slots = self.program.trainable * self.terms
        self._variables(self.program.weights, drawn=True)
        self._variables(slots, drawn=False)
        self.fixed = self.arena.peak = self.arena.live
        self.weights, self.slots = FLOAT32 * sum(self.program.weights), FLOAT32 * sum(slots)
        self.learning = _depend_on_weights(self.program)
        for number in self.program.inputs:
            self.tensors[number] = self._new(number, 1)  # held by who calls

    def memory(self) -> Memory:
        """What was found."""
        fixed, peak = self.fixed, self.arena.peak
        saved = self.saved - fixed if self.optimizer else sum(self._bytes(self.program.sizes[n]) for n in self.program.inputs)
        return Memory(self.weights, self.slots, saved, peak - fixed - saved, self.arena.touched - peak, self._framework())

    def _framework(self) -> int:
        """Of the graph."""
        each = TRAINING if self.optimizer else PREDICTING
        total = each.once + len(self.program.trainable) * (each.weight + each.slot * self.terms)
        for step in self.program.operations:
            total += each.operation + each.product * bool(step.workspace) + each.normalisation * step.normalises
        return round(total)

    def train(self, segments: int) -> None:
        """All parts forward; then, last first, each once more with what its gradients read, and backward."""
        steps = self.program.operations
        length = -(-len(steps) // segments)
        parts = [steps[i : i + length] for i in range(0, len(steps), length)]
        for part in parts[:-1]:
            self.forward(part, keep=False, later=_read_after(parts, part))
        for part in reversed(parts):
            if part is not parts[-1]:
                for number in _read_after(parts, part):  # the later parts are done
                    self._read(self.tensors[number])
            self.forward(part, keep=True)
            if part is parts[-1]:
                self.turn()
            self.backward(part)

    def forward(self, steps: Sequence[Operation], keep: bool, later: Iterable[int] = ()) -> None:
        """Computes; with `keep`, what the gradients read stays."""
        self.readers = Counter(number for step in steps for number in step.inputs)
        self.readers.update(later)
        made = {number for step in steps for number in step.outputs}
        if not self.turned:
            self.readers.update(number for number in self.program.outputs if number in made)
        for number in self.readers.keys() - made:
            if number in self.tensors:
                self.tensors[number].readers += self.readers[number]
        for step in steps:
            plain = self.optimizer is None and step.predicting is not None
            scratch = self._take(0 if plain else step.forward, step.workspace)
            learns = keep and not self.learning.isdisjoint(step.outputs)
            self._make(step, step.saved if learns else ())
            if learns:
                for number in step.saved:
                    self.tensors[number].readers += 1
                self.extras[id(step)] = self._take(step.extra)
            self.arena.give(scratch)
            for number in step.inputs:
                self._read(self.tensors[number])
            for number in step.outputs:
                self._read(self.tensors[number], 0)

    def _make(self, step: Operation, saved: tuple[int, ...]) -> None:
        """The outputs: the first may lie where an input did."""
        for i, number in enumerate(step.outputs):
            buffer = self._taken_over(step, saved) if i == 0 else None
            if buffer is None:
                buffer = self._new(number)
            buffer.readers += self.readers[number]
            self.tensors[number] = buffer

    def _taken_over(self, step: Operation, saved: tuple[int, ...]) -> _Buffer | None:
        output = step.predicting or step.output if self.optimizer is None else step.output
        if output == VIEW and step.inputs:
            return self.tensors[step.inputs[0]]
        if output != IN_PLACE:
            return None
        size = self.program.sizes[step.outputs[0]]
        free = (n for n in step.inputs if n not in saved and self.tensors[n].readers == 1 and self.program.sizes[n] == size)
        return next((self.tensors[n] for n in free), None)

    def turn(self) -> None:
        """The loss: its temporaries, then the gradients of the outputs."""
        self.saved, self.turned = self.arena.live, True
        for number in self.program.outputs:
            scratch = self._take(LOSS * self.program.sizes[number])
            self.gradients[number] = self._new(number, 1)
            self._read(self.tensors[number])
            self.arena.give(scratch)

    def backward(self, steps: Sequence[Operation]) -> None:
        """Gradients of the steps, last first."""
        for step in reversed(steps):
            if self.learning.isdisjoint(step.outputs):
                continue
            upstream = [self.gradients.pop(number) for number in step.outputs if number in self.gradients]
            if upstream:
                self._descend(step, upstream[0])
            for buffer in upstream:
                self._read(buffer)
            self.arena.give(self.extras.pop(id(step)))
            for number in step.saved:
                self._read(self.tensors[number])

    def _descend(self, step: Operation, upstream: _Buffer) -> None:
        """Gradients of weights and inputs from that of the output."""
        for size in step.weights:  # used at once, by as many temporaries as the update has terms
            pieces = [self.arena.take(size * FLOAT32) for _ in range(2 + self.terms)]
            for piece in pieces:
                self.arena.give(piece)
        scratch = self._take(step.backward, step.workspace)
        wanted = [number for number in step.inputs if number in self.learning]
        for number in wanted:
            alone = step.gradient == IN_PLACE and number == wanted[-1] and upstream.readers == 1
            fits = self.program.sizes[number] == self.program.sizes[step.outputs[0]]
            if fits and (step.gradient == VIEW or alone):
                upstream.readers += 1
                self._add(number, upstream)
            else:
                self._add(number, self._new(number, 1))
        self.arena.give(scratch)

    def _add(self, number: int, gradient: _Buffer) -> None:
        """What comes from several readers is summed, in place where nothing else needs one of them."""
        known = self.gradients.get(number)
        self.gradients[number] = gradient
        if known is None:
            return
        if known.readers == 1:
            self.gradients[number], known = known, gradient
        elif gradient.readers > 1:
            self.gradients[number] = self._new(number, 1)
            self._read(gradient)
        self._read(known)

    def _new(self, number: int, readers: int = 0) -> _Buffer:
        return _Buffer(self.arena.take(self._bytes(self.program.sizes[number])), readers)

    def _read(self, buffer: _Buffer, times: int = 1) -> None:
        buffer.readers -= times
        if buffer.readers <= 0:
            self.arena.give(buffer.piece)
            buffer.piece = None

    def _take(self, elements: float, more: int = 0) -> Piece | None:
        return self.arena.take(self._bytes(elements) + more)

    def _bytes(self, elements: float) -> int:
        return int(elements * self.batch) * self.program.itemsize

    def _variables(self, sizes: Iterable[int], drawn: bool) -> None:
        """Variables, each copied from an initial value, which is drawn, scaled and shifted, or zeros."""
        for size in sizes:
            values = [self.arena.take(size * FLOAT32) for _ in range(3 if drawn else 1)]
            for value in values[:-1]:
                self.arena.give(value)
            self.arena.take(size * FLOAT32)
            self.arena.give(values[-1])


def _depend_on_weights(program: Program) -> set[int]:
    """Tensors that have a gradient."""
    found: set[int] = set()
    for step in program.operations:
        if step.weights or not found.isdisjoint(step.inputs):
            found.update(step.outputs)
    return found
