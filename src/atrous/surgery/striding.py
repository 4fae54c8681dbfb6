"""A backbone with a smaller output stride: late strides go, what follows is dilated, every weight stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from atrous.field.graph import graph_of
from atrous.spec import parse_integers
from atrous.surgery.copying import CannotCopyError, copy_model, input_again
from atrous.surgery.plan import Plan
from atrous.surgery.rebuilding import Rebuilding, graph_model, is_graph
from atrous.surgery.twins import Model, every_layer
from atrous.surgery.unfolding import unfold, unfolds


def to_output_stride(model: Model, output_stride: int | tuple[int, int], pool: str | None = None) -> Model:
    """Gives a backbone a smaller output stride: removes its late strides and dilates what follows, with the same weights.

    The result is exact: its output, at every D-th position along each axis (D is the product of the strides removed there), is
    the output of `model`, at inference, for inputs of any size. In between stand the outputs that `model` would give for an
    input that is shifted, up to what it sees of the border. Layers keep their names; convolutions that change become those of
    `atrous.layers`. Blocks of `atrous.blocks` are taken apart first: `conv` in `block1` becomes the layer `block1_conv`.

    Args:
        model: A functional or sequential `keras.Model`, such as one of `keras.applications` with `include_top=False`; models
            inside it are changed, too.
        output_stride: Input positions between neighbouring outputs: a power of two, or one for each spatial axis. The first
            strides of the model stay, as many as it takes.
        pool: What to do with a layer that averages all positions (a squeeze-and-excite block, a classifier's head), of which
            the new network has more: `None` refuses, `"sampled"` lets it take those of the original grid, which is exact.

    Returns:
        A new model, a plain `keras.Model` that isn't compiled; `model` is not changed. Layers are added where there is no other
        way: `StridedPadding` where the padding depends on a length that isn't known, `MaxPooling` of size 1 in front of
        what is sampled, `Cropping` where branches end differently.

    Raises:
        ValueError: An argument breaks its rule, or a layer can't be made exact; the message names it and the reason.

    Source: Chen et al. 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv:1706.05587, section 3.1.
    """
    _check(model, pool)
    copy = _copied(model)
    if any(unfolds(layer) and layer._flatten_layers(include_self=False) for layer in every_layer(copy)):
        copy = unfold(copy)
    graph = graph_of(copy)
    space = next(iter(graph.space.values()))
    target = _powers_of_two(output_stride, len(space))
    plan = Plan(graph, target, pool == "sampled", _open_lengths(copy), {id(operation) for operation in _operations(copy)})
    _check_reached(plan, output_stride)
    for operation in [*_operations(copy)]:
        operation._inbound_nodes.clear()
        operation._outbound_nodes.clear()
    return Rebuilding(plan.changes).model(copy, keras.tree.map_structure(input_again, graph_model(copy).input))


def _check(model: Model, pool: str | None) -> None:
    if not isinstance(model, keras.Model) or not is_graph(model):
        raise ValueError(f"`model` must be a functional or sequential keras.Model that is built. Received: {model!r}.")
    if pool not in (None, "sampled"):
        raise ValueError(f"`pool` must be None or 'sampled'. Received: pool={pool!r}.")


def _copied(model: Model) -> Model:
    try:
        return copy_model(model)
    except CannotCopyError as error:
        raise ValueError(
            "`model` must be one that Keras can make again from its configuration. "
            f"Received: {error.layer.name!r}, a {type(error.layer).__name__}: {error.reason}."
        ) from error


def _powers_of_two(output_stride: Any, rank: int) -> tuple[int, ...]:
    strides = parse_integers("output_stride", output_stride, rank)
    if any(stride & (stride - 1) for stride in strides):
        raise ValueError(f"`output_stride` must be a power of two. Received: output_stride={output_stride!r}.")
    return strides


def _check_reached(plan: Plan, output_stride: Any) -> None:
    original = tuple(int(stride) for stride, _ in plan.strides)
    reached = tuple(int(stride) for _, stride in plan.strides)
    if any(a > b for a, b in zip(plan.target, original, strict=True)):
        raise ValueError(
            f"`output_stride` must not be above that of the model, {_short(original)}. "
            f"Received: output_stride={output_stride!r}."
        )
    if reached != plan.target:
        raise ValueError(
            f"`output_stride` must be the product of the model's first strides; they come to {_short(reached)} before the next "
            f"is too much. Received: output_stride={output_stride!r}."
        )


def _short(strides: tuple[int, ...]) -> Any:
    return strides[0] if len(set(strides)) == 1 else strides


def _operations(model: Model) -> Iterator[Any]:
    """Layers and operations that are used in the graph of a model, or of a model in it."""
    for operation in graph_model(model).operations:
        yield operation
        if is_graph(operation):
            yield from _operations(operation)


def _open_lengths(model: Model) -> dict[str, set[int]]:
    return {tensor.name: {d for d, n in enumerate(tensor.shape[1:]) if n is None} for tensor in graph_model(model).inputs}
