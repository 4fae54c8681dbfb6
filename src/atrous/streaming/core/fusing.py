"""Operations of a program put together, so that fewer passes go over the data; the sums are the same, in another order.

| found | becomes |
|---|---|
| product, then an affine operation (batch normalisation) | the product, its weights scaled |
| product, then a function | the product with that function |
| a sum with a product in it | the product, which adds: residuals, skips |
| a sum of two products | one product of two sources |
| f(product)·σ(product) of the same steps | one product with a gate |

Only what nobody else reads is put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from atrous.streaming.core.program import Op, Program, Source, Tensor

MOST_TERMS = 512
"""Of a product that two are made one of: more are summed up in parts anyway."""
LINGER = 4
"""Operations for which a tensor may be kept longer, to be read together with another."""


def fused(program: Program) -> Program:
    """The same program with fewer operations."""
    work = _Work(program)
    for rule in (_affine_into_product, _function_into_op, _sum_of_products, _sum_into_product, _function_into_op, _gate):
        work.apply(rule)
    return work.program()


_Found = list[Op] | tuple[list[Op], int]
"""What an operation becomes, and at which place if not at its own."""


class _Work:
    """Operations in order, each of which writes a tensor of its own, but for copies and phases, which share one."""

    def __init__(self, program: Program) -> None:
        self.tensors = list(program.tensors)
        self.ops = list(program.ops)
        self.inputs, self.outputs = program.inputs, program.outputs
        self._count()

    def _count(self) -> None:
        self.readers = Counter(tensor for op in self.ops for tensor in op.reads)
        self.readers.update(self.outputs)
        self.writers = Counter(op.out for op in self.ops)
        self.place = {op.out: i for i, op in enumerate(self.ops)}

    def apply(self, rule: Callable[[_Work, int], _Found | None]) -> None:
        """Wherever it fits: what a rule finds replaces the operation, and those before it that nobody reads any more."""
        i = 0
        while i < len(self.ops):
            found = rule(self, i)
            if found is None:
                i += 1
                continue
            made, at = found if isinstance(found, tuple) else (found, i)
            unread = set(self.ops[i].reads) - {tensor for op in made for tensor in op.reads}
            gone = {self.place[tensor] for tensor in unread if tensor in self.place and self.readers[tensor] == 1} | {i}
            at -= sum(j < at for j in gone)
            self.ops = [op for j, op in enumerate(self.ops) if j not in gone]
            self.ops[at:at] = made
            self._count()
            i = at  # what was made may fit again

    def last_reading(self, tensor: int) -> int:
        """The place of the last operation that reads it."""
        return max((i for i, op in enumerate(self.ops) if tensor in op.reads), default=-1)

    def alone(self, tensor: int) -> Op | None:
        """What writes a tensor, if that is one operation and one reads it."""
        if self.readers[tensor] != 1 or self.writers[tensor] != 1 or tensor in self.inputs:
            return None
        return self.ops[self.place[tensor]]

    def tensor(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def program(self) -> Program:
        """What is left, numbered anew."""
        used = {*self.inputs, *self.outputs, *(t for op in self.ops for t in (op.out, *op.reads))}
        numbers = {old: new for new, old in enumerate(sorted(used))}

        def renumbered(op: Op) -> Op:
            sources = tuple(replace(source, tensor=numbers[source.tensor]) for source in op.sources)
            return replace(op, out=numbers[op.out], sources=sources, add=None if op.add is None else numbers[op.add])

        return Program(
            tuple(self.tensors[old] for old in sorted(used)),
            tuple(renumbered(op) for op in self.ops),
            tuple(numbers[tensor] for tensor in self.inputs),
            tuple(numbers[tensor] for tensor in self.outputs),
        )


def _affine_into_product(work: _Work, at: int) -> _Found | None:
    op = work.ops[at]
    if op.code != "affine" or op.first != "linear" or (op.weights is None and op.bias is None):
        return None
    before = work.alone(op.sources[0].tensor)
    if before is None or before.code != "product" or before.gate or before.stretch > 1 or not _is_linear(before):
        return None
    ones = np.ones(work.tensors[op.out].channels, "float32")
    scale = ones if op.weights is None else op.weights
    shift = 0.0 if before.bias is None else before.bias.astype("float64") * scale
    bias = (shift + (0.0 if op.bias is None else op.bias)) * ones
    sources = tuple(replace(s, weights=_float32(_weights(s).astype("float64") * scale)) for s in before.sources)
    return [replace(before, out=op.out, sources=sources, bias=_float32(bias), first=op.last, alpha=op.last_alpha)]


def _function_into_op(work: _Work, at: int) -> _Found | None:
    op = work.ops[at]
    if op.code != "affine" or op.weights is not None or op.bias is not None:
        return None
    functions = [(f, a) for f, a in ((op.first, op.alpha), (op.last, op.last_alpha)) if f != "linear"]
    before = work.alone(op.sources[0].tensor)
    if before is None or before.code == "copy" or before.stretch > 1 or before.last != "linear" or len(functions) != 1:
        return None
    ((function, alpha),) = functions
    if before.code in ("product", "depthwise") and before.first == "linear" and before.add is None and not before.gate:
        return [replace(before, out=op.out, first=function, alpha=alpha)]
    return [replace(before, out=op.out, last=function, last_alpha=alpha)]


def _sum_of_products(work: _Work, at: int) -> _Found | None:
    op = work.ops[at]
    if not _is_sum(op):
        return None
    parts = [work.alone(source.tensor) for source in op.sources]
    if not all(part and _may_add(part, work, op) and part.add is None for part in parts):
        return None
    first, second = (part for part in parts if part)
    places = sorted(work.place[part.out] for part in (first, second))
    waiting = [tensor for tensor in work.ops[places[0]].reads if tensor not in work.inputs]
    if any(work.last_reading(tensor) < places[1] - LINGER for tensor in waiting):
        return None
    sources = (*first.sources, *second.sources)
    timed = work.tensors[op.out].steps > 0
    if not timed or sum(_weights(s).shape[0] * _weights(s).shape[1] for s in sources) > MOST_TERMS:
        return None
    biases = [part.bias for part in (first, second) if part.bias is not None]
    bias = _float32(sum(biases)) if biases else None
    return [replace(first, out=op.out, sources=sources, bias=bias, last=op.last, last_alpha=op.last_alpha)]


def _sum_into_product(work: _Work, at: int) -> _Found | None:
    op = work.ops[at]
    if not _is_sum(op):
        return None
    for place in (1, 0):
        part, other = work.alone(op.sources[place].tensor), op.sources[1 - place].tensor
        if part and part.add is None and not part.gate and _may_add(part, work, op, linear=False):
            if work.tensors[other].channels != work.tensors[op.out].channels:
                continue
            made = replace(part, out=op.out, add=other, last=op.last, last_alpha=op.last_alpha)
            here = work.place[part.out]  # as early as it can be: what it reads is needed no longer then
            return [made], here if work.place.get(other, -1) < here else at
    return None


def _gate(work: _Work, at: int) -> _Found | None:
    op = work.ops[at]
    if op.code != "multiply" or op.first != "linear":
        return None
    halves = [work.alone(source.tensor) for source in op.sources]
    if not all(half and half.code == "product" and not half.gate and not half.gathers for half in halves):
        return None
    a, b = (half for half in halves if half)
    if _only_function(b)[0] != "sigmoid":
        a, b = b, a
    if _only_function(b)[0] != "sigmoid" or _only_function(a)[0] is None or not _read_the_same(a, b):
        return None
    channels = work.tensors[op.out].channels
    if any(work.tensors[half.out].channels != channels for half in (a, b)) or (a.add is None) != (b.add is None):
        return None
    copies, add = [], None
    if a.add is not None and b.add is not None:
        if work.tensors[a.add] != work.tensors[b.add]:
            return None
        add = work.tensor(replace(work.tensors[a.add], channels=2 * channels))
        copies = [
            Op("copy", add, (Source(half),), to_channel=to, channels=channels, name=op.name)
            for half, to in ((a.add, 0), (b.add, channels))
        ]
    sources = tuple(
        replace(s, weights=np.concatenate([_weights(s), _weights(t)], axis=-1))
        for s, t in zip(a.sources, b.sources, strict=True)
    )
    bias = None
    if a.bias is not None or b.bias is not None:
        zeros = np.zeros(channels, "float32")
        bias = np.concatenate([zeros if half.bias is None else half.bias for half in (a, b)])
    function, alpha = _only_function(a)
    assert function is not None
    gated = Op("product", op.out, sources, function, op.last, alpha, op.last_alpha, gate=True, add=add, bias=bias, name=op.name)
    return [*copies, gated]


def _is_linear(op: Op) -> bool:
    return op.first == "linear" and op.last == "linear" and op.add is None


def _is_sum(op: Op) -> bool:
    return op.code == "add" and op.first == "linear" and len(op.sources) == 2


def _may_add(part: Op, work: _Work, op: Op, linear: bool = True) -> bool:
    """Whether a product can take in the sum that reads it."""
    fits = part.code == "product" and not part.gathers and not part.gate and part.last == "linear"
    same = work.tensors[part.out] == work.tensors[op.out]
    return fits and same and (not linear or part.first == "linear")


def _only_function(op: Op) -> tuple[str | None, float]:
    """The function of a product's sum, be something added to it or not; `None` if there is something else."""
    if op.add is None:
        return (op.first, op.alpha) if op.last == "linear" else (None, 0.0)
    return (op.last, op.last_alpha) if op.first == "linear" else (None, 0.0)


def _read_the_same(a: Op, b: Op) -> bool:
    return [(s.tensor, s.offsets) for s in a.sources] == [(s.tensor, s.offsets) for s in b.sources]


def _weights(source: Source) -> np.ndarray:
    assert source.weights is not None
    return source.weights


def _float32(x: np.ndarray | float) -> np.ndarray:
    return np.ascontiguousarray(x, "float32")
