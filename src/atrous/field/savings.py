"""What would save memory, multiply-adds or weights, as numbers for one model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from atrous.field.cost import NONE, Macs, conv_macs, macs
from atrous.field.graph import Graph, Use
from atrous.field.kept import Operation
from atrous.field.memory import FLOAT32, Program
from atrous.field.rules.convolutions import CONVOLUTIONS, spec_of
from atrous.spec import ConvSpec


@dataclass(frozen=True)
class Saving:
    """One way to save, with what it changes for this model; negative numbers are a loss.

    Args:
        name: "mixed precision", "rematerialisation" or "1×1 bottlenecks".
        policy: What exactly is done.
        training_bytes: Saved of a training step.
        inference_bytes: Saved of a prediction.
        macs: Valid multiply-adds saved for one example, forward.
        parameters: Saved.
    """

    name: str
    policy: str
    training_bytes: int
    inference_bytes: int
    macs: int
    parameters: int


def savings(graph: Graph, program: Program, batch: int, optimizer: str, mixed: bool = False) -> Iterator[Saving]:
    """The ways, with what they save of a training step and a prediction of `batch` examples.

    Args:
        graph: The model's.
        program: The same as operations, in float32.
        batch: Examples.
        optimizer: Name of the optimizer.
        mixed: Whether precision is mixed already.

    Rematerialisation in about √n parts: Chen and others 2016, "Training deep nets with sublinear memory cost",
    arXiv:1604.06174.
    """
    now = program.mixed() if mixed else program
    training, inference = now.train(batch, optimizer).total, now.predict(batch).total

    def saving(name: str, policy: str, other: Program, segments: int | None = None, less: Macs = NONE) -> Saving:
        trained, predicted = other.train(batch, optimizer, segments).total, other.predict(batch).total
        weights = sum(program.weights) - sum(other.weights)
        return Saving(name, policy, training - trained, inference - predicted, less.valid, weights)

    if not mixed:
        yield saving("mixed precision", "activations of 2 bytes, weights and normalisations of 4", program.mixed())
    root = math.isqrt(max(len(program.operations), 1))
    parts = min((max(root // 2, 1), root, 2 * root), key=lambda n: now.train(batch, optimizer, n).total)
    again = sum(cost.valid for cost in map(macs, graph.uses) if cost is not None)
    policy = f"{parts} parts of {-(-len(program.operations) // parts)} operations, each computed twice"
    yield saving("rematerialisation", policy, now, parts, Macs(0, -again))
    for ratio in (2, 4):
        found = narrowed(graph, program, ratio)
        if found is not None:
            other, less, count = found
            policy = f"1/{ratio} of the channels inside 1×1 layers around {count} spatial convolutions"
            yield saving("1×1 bottlenecks", policy, other.mixed() if mixed else other, None, less)


def narrowed(graph: Graph, program: Program, ratio: int) -> tuple[Program, Macs, int] | None:
    """The model with a 1×1 layer before and behind every spatial convolution where that saves multiply-adds.

    A convolution of k×k from c to f channels becomes 1×1 from c to c/ratio, k×k of c/ratio, and 1×1 to f, as in He and others
    2015, arXiv:1512.03385, figure 5.

    Returns:
        The model as operations, the multiply-adds saved, and how many convolutions were changed; `None` if there is none.
    """
    steps, sizes, weights = list(program.operations), list(program.sizes), list(program.weights)
    saved, count, done = Macs(0, 0), 0, set[int]()
    for use in graph.uses:
        changed = _bottleneck(use, ratio)
        if changed is None:
            continue
        less, before, kernels = changed
        saved, count = saved.plus(less), count + 1
        at = next(i for i, step in enumerate(steps) if step.name == use.name and step.inputs == use.inputs)
        steps[at : at + 1] = _three(steps[at], sizes, before, kernels, first=id(use.layer) not in done)
        if id(use.layer) not in done:
            done.add(id(use.layer))
            weights.remove(math.prod(use.layer.kernel.shape))
            weights.extend(kernels)
    return (replace(program, operations=steps, sizes=sizes, weights=tuple(weights)), saved, count) if count else None


def _bottleneck(use: Use, ratio: int) -> tuple[Macs, tuple[int, int], tuple[int, int, int]] | None:
    """Multiply-adds saved, sizes of the two narrow tensors, and of the three kernels; `None` where nothing is saved."""
    layer, call = use.layer, use.call
    if not isinstance(layer, CONVOLUTIONS) or hasattr(layer, "depth_multiplier"):
        return None
    spec = spec_of(layer, len(call.space))
    channels = math.prod(call.shape) // math.prod(call.sizes)
    inner = channels // ratio
    if spec.groups > 1 or math.prod(spec.kernel_size) == 1 or inner < 1:
        return None
    sizes = [n for n in spec.output_size(call.sizes) if n is not None]
    one = ConvSpec.parse(spec.rank, 1)
    new = conv_macs(one, call.sizes, channels, inner).plus(conv_macs(spec, call.sizes, inner, inner))
    new = new.plus(conv_macs(one, sizes, inner, layer.filters))
    old = conv_macs(spec, call.sizes, channels, layer.filters)
    if new.valid >= old.valid:
        return None
    taps = math.prod(spec.kernel_size)
    kernels = (channels * inner, taps * inner * inner, inner * layer.filters)
    narrow = (math.prod(call.sizes) * inner, math.prod(sizes) * inner)
    return Macs(old.dense - new.dense, old.valid - new.valid), narrow, kernels


def _three(
    step: Operation, sizes: list[int], narrow: tuple[int, int], kernels: tuple[int, int, int], first: bool
) -> list[Operation]:
    """One operation as three; the last has the bias."""
    sizes.extend(narrow)
    a, b = len(sizes) - 2, len(sizes) - 1
    trained = [(n,) if first and step.weights else () for n in kernels]
    plain = replace(step, extra=0)
    return [
        replace(plain, outputs=(a,), weights=trained[0], workspace=FLOAT32 * kernels[0]),
        replace(plain, inputs=(a,), outputs=(b,), saved=(a,), weights=trained[1], workspace=FLOAT32 * kernels[1]),
        replace(plain, inputs=(b,), saved=(b,), weights=trained[2] + step.weights[1:], workspace=FLOAT32 * kernels[2]),
    ]
