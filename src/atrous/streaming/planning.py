"""From a model to its plan."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import keras
from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.field.reads import Reads, Shape
from atrous.field.registry import rule_of
from atrous.field.rules.operations import OPERATIONS
from atrous.parts.part import Span, is_operation, needs, read_span
from atrous.streaming.plan import RESERVED, CannotStreamError, Flow, History, Plan, Stage, Taken
from atrous.streaming.rates import RATES_DIFFER, first_flows, graph_in_time, least_block, takes_last, tie, time_dims


def plan_of(model: Any, lookahead: int = 0, input_shape: Any = None) -> Plan:
    """Finds out how to run a model block by block.

    Args:
        model: A `keras.Model` over one axis of time.
        lookahead: Samples that its outputs may be late.
        input_shape: As `atrous.field.analyze` takes it, for a model without a graph.

    Raises:
        ValueError: It can't be, or not without a delay; the message names the layer.
    """
    graph, opened = graph_in_time(model, input_shape)
    plan = Plan(graph, first_flows(graph, time_dims(model, graph, opened)))
    if not plan.flows:
        raise ValueError(
            f"`model` must have an input with time, such as keras.Input((None, channels)). Received: inputs of shapes {opened}."
        )
    plan.block = least_block(graph, dict(plan.flows))
    _Planning(plan).run()
    _check_lookahead(plan, lookahead)
    return plan


class _Planning:
    """Goes through the uses once, with a signal of a length and one of twice that."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lengths = (2 * plan.middle, 4 * plan.middle)
        self.shapes: tuple[dict[int, Shape], dict[int, Shape]] = ({}, {})
        for key in plan.graph.inputs.values():
            for length, shapes in zip(self.lengths, self.shapes, strict=True):
                shapes[key] = plan.graph.shapes[key]
                if key in plan.flows:
                    shapes[key] = _with(shapes[key], plan.flows[key].dim, plan.flows[key].rows(length))
        self.used_names = {*plan.graph.inputs, *RESERVED}
        self.histories: dict[tuple[int, float], History] = {}

    def run(self) -> None:
        """Fills in the plan."""
        plan = self.plan
        for use in plan.graph.uses:
            given = [x for x in keras.tree.flatten((use.call.args, dict(use.call.kwargs))) if isinstance(x, keras.KerasTensor)]
            plan.dtypes.update(
                (key, keras.backend.standardize_dtype(x.dtype)) for key, x in zip(use.inputs, given, strict=True)
            )
            plan.stages.append(self._stage(use))
        for i, key in enumerate(plan.graph.outputs):
            flow = plan.flows.get(key)
            taken = Taken(max(-flow.delay, 0)) if flow else None
            if taken and taken.rows:
                taken.history = self._history(key, 0.0, f"output{i}" if len(plan.graph.outputs) > 1 else "output", taken.rows)
            plan.exits.append(taken)
        if not plan.counts_end:
            for history in plan.histories:
                history.masks_end = False

    def _stage(self, use: Use) -> Stage:
        flows = [self.plan.flows.get(key) for key in use.inputs]
        unknown = [key for key in use.inputs if key not in self.shapes[0]]
        if unknown:
            raise CannotStreamError(use, "it takes a tensor that is made of nothing but another one's shape")
        if not any(flows):
            for shapes in self.shapes:
                shapes.update((key, self.plan.graph.shapes[key]) for key in use.outputs)
            if self.plan.last.intersection(use.inputs):
                self.plan.last.update(use.outputs)
            return Stage(use, "plain", (None,) * len(flows))
        if self.plan.last.intersection(use.inputs):
            raise CannotStreamError(use, "it gives every step what only the last one knows")
        if isinstance(use.layer, layers.RNN):
            return self._recurrent(use, flows[0])
        if takes_last(use, flows[0].dim if flows[0] else -1):
            self._check_known(use, flows[0])
            return self._without_time(use, "last")
        return self._rows(use, flows)

    def _recurrent(self, use: Use, flow: Any) -> Stage:
        if use.layer.stateful or flow.delay > 0:
            reason = "it keeps its state by itself; build it with stateful=False" if use.layer.stateful else (
                "it comes behind a layer that looks ahead, and its own state would begin before the signal"
            )  # fmt: skip
            raise CannotStreamError(use, reason)
        if any(_masks(stage.use.layer) for stage in self.plan.stages):
            raise CannotStreamError(use, "it passes over steps that a layer in front of it masks")
        if len(use.inputs) > 1:
            raise CannotStreamError(use, "its first state comes from the model")
        if use.layer.go_backwards:
            raise CannotStreamError(use, "it goes backwards, from the end of the signal")
        if not use.layer.return_sequences:
            self._check_known(use, flow)
            return self._without_time(use, "recurrent")
        for length, shapes in zip(self.lengths, self.shapes, strict=True):
            shapes[use.outputs[0]] = _with(self.plan.graph.shapes[use.outputs[0]], 0, flow.rows(length) + flow.growth)
        self.plan.flows[use.outputs[0]] = replace(flow, dim=0)
        return Stage(use, "recurrent", (Taken(),) * len(use.inputs))

    def _check_known(self, use: Use, flow: Any) -> None:
        if flow.delay + flow.growth > 0:
            raise CannotStreamError(use, "it takes the last step, which isn't known before the signal ends")

    def _without_time(self, use: Use, kind: str) -> Stage:
        for shapes in self.shapes:
            shapes.update((key, self.plan.graph.shapes[key]) for key in use.outputs)
        self.plan.last.update(use.outputs)
        return Stage(use, kind, (Taken(),) * len(use.inputs))

    def _rows(self, use: Use, flows: Sequence[Flow | None]) -> Stage:
        """A use that makes rows of rows."""
        long = [self._lengthened(use, flows, shapes) for shapes in self.shapes]
        for output, made in enumerate(use.outputs):
            found: list[Flow] = []
            for place, flow in enumerate(flows):
                if flow is None:
                    continue
                dim, step = tie(long[0], output, place, flow.dim)
                if (dim, step) != tie(long[1], output, place, flow.dim):
                    raise CannotStreamError(use, "what it reads depends on how long the signal is")
                ratio = flow.ratio * step.period / step.advance if step.advance else Fraction(0)
                grown = {shapes[made][dim] - ratio * length for length, shapes in zip(self.lengths, self.shapes, strict=True)}
                if len(grown) != 1 or not ratio:
                    raise CannotStreamError(use, "how much it makes isn't in proportion to how much comes")
                growth = int(grown.pop())
                found.append(Flow(dim, ratio, max(_delay(flow.delay, step), -growth), growth))
            if len({(flow.dim, flow.ratio) for flow in found}) != 1:
                raise CannotStreamError(use, RATES_DIFFER)
            self.plan.flows[made] = max(found, key=lambda flow: flow.delay)
        if len({(self.plan.flows[made].delay, self.plan.flows[made].dim) for made in use.outputs}) != 1:
            raise CannotStreamError(use, "its outputs come at different times")
        taken = tuple(None if flow is None else self._taken(long[0], i, flow) for i, flow in enumerate(flows))
        return Stage(long[0], "rows", taken)

    def _lengthened(self, use: Use, flows: Sequence[Flow | None], shapes: dict[int, Shape]) -> Use:
        """The use in a signal of another length."""
        call = replace(use.call, shapes=tuple(shapes[key] for key in use.inputs))
        rule = rule_of(use.layer) if isinstance(use.layer, keras.Layer) else OPERATIONS[type(use.layer).__name__]
        assert rule is not None
        try:
            answer = rule(call)
            reads = tuple(answer) if isinstance(answer, list) else (answer,)
        except ValueError as error:
            if not (isinstance(use.layer, layers.Reshape) or is_operation(use, "Reshape", "BroadcastTo")):
                raise CannotStreamError(use, str(error)) from error
            reads = (self._reshaped(use, flows, call.shapes),)  # its target has a length in it
        shapes.update((key, read.shape) for key, read in zip(use.outputs, reads, strict=True))
        return replace(use, call=call, reads=reads)

    def _reshaped(self, use: Use, flows: Sequence[Flow | None], shapes: Sequence[Shape]) -> Reads:
        place = next(i for i, flow in enumerate(flows) if flow)
        flow = flows[place]
        assert flow is not None
        dim, _ = tie(use, 0, place, flow.dim)
        return replace(use.reads[0], shape=_with(use.reads[0].shape, dim, shapes[place][flow.dim]))

    def _taken(self, use: Use, place: int, flow: Flow) -> Taken:
        """What an input's history must hold."""
        middle, block = self.plan.middle, self.plan.block
        firsts, front, end = [], False, False
        for output, made in enumerate(use.outputs):
            to = self.plan.flows[made]
            want: Span = to.known(middle), to.known(middle + block)
            span = needs(use, output, {to.dim: want})[place].get(flow.dim, (0, 0))
            firsts += [span[0]] if span[0] < span[1] else []
            _, step = tie(use, output, place, flow.dim)
            front |= min(itertools.chain(*step.taps), default=0) < 0
            length = use.reads[output].shape[to.dim]
            end |= read_span(step, (length - step.period, length))[1] > use.call.shapes[place][flow.dim]
        rows = max(flow.known(middle) - min(firsts, default=flow.known(middle)), 0)
        kind = type(use.layer).__name__
        if (front or end) and "Average" not in kind and getattr(use.layer, "interpolation", "nearest") != "nearest":
            raise CannotStreamError(use, "at the edges of the signal it repeats the outermost rows")
        taken = Taken(rows, counts="Average" in kind and (front or end))
        if taken.counts and _repeats_edges(use, flow.dim):
            raise CannotStreamError(use, "on PyTorch, Keras repeats what is at the edges here; `padding` by numbers does not")
        masks = (front and flow.delay > 0, end)
        if rows or any(masks):
            value = _padding(use) if front or end else None
            taken.history = self._history(use.inputs[place], value, _name(use, place), rows, *masks)
        return taken

    def _history(
        self, tensor: int, value: float | None, name: str, rows: int, front: bool = False, end: bool = False
    ) -> History:
        """One for all layers that take the same tensor and pad the same; a queue (`None`) doesn't mind."""
        for key in [k for k in self.histories if k[0] == tensor and value in (None, k[1])]:
            history = self.histories[key]
            break
        else:
            history = History(self._free(name), tensor, value=value or 0.0)
            self.histories[tensor, history.value] = history
            self.plan.histories.append(history)
        history.rows = max(history.rows, rows)
        history.masks_front |= front
        history.masks_end |= end
        return history

    def _free(self, name: str) -> str:
        numbered = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
        free = next(each for each in numbered if each not in self.used_names)
        self.used_names.add(free)
        return free


def _repeats_edges(use: Use, dim: int) -> bool:
    """Whether Keras on PyTorch takes the mean of what is there and of repeated edges, because the padding is uneven."""
    pool, (step,) = use.layer, (link.map for link in use.reads[0].links[0] if link.out_of == (dim,))
    even = -min(step.taps[0]) == max(step.taps[0])
    own = getattr(pool, "padding", None) != "same" or max(getattr(pool, "dilation_rate", (1,))) > 1
    return bool(keras.backend.backend() == "torch" and not even and not own)


def _masks(layer: Any) -> bool:
    return isinstance(layer, layers.Masking) or bool(getattr(layer, "mask_zero", False))


def _delay(delay: int, step: AxisMap) -> int:
    """Of what reads a tensor of some delay."""
    turns = [(phase, -((-delay - 1 - max(taps)) // step.advance)) for phase, taps in enumerate(step.taps) if taps]
    return max((turn - 1) * step.period - phase for phase, turn in turns)


def _padding(use: Use) -> float:
    """What a layer puts where nothing is."""
    if is_operation(use, "Pad"):
        given: Any = use.call.kwargs.get("constant_values", use.call.args[1] if len(use.call.args) > 1 else None)
        return 0.0 if given is None else float(given)
    return float(getattr(use.layer, "value", 0.0)) if "Max" not in type(use.layer).__name__ else float("-inf")


def _name(use: Use, place: int) -> str:
    return use.name.replace("/", "_") + (f"_{place}" if place else "")


def _with(shape: Shape, dim: int, length: int) -> Shape:
    return tuple(length if d == dim else n for d, n in enumerate(shape))


# ---- looking ahead -----------------------------------------------------------------------------------------------------------


def _check_lookahead(plan: Plan, lookahead: int) -> None:
    if isinstance(lookahead, bool) or not isinstance(lookahead, int) or lookahead < 0:
        raise ValueError(f"`lookahead` must be a number of samples, 0 or more. Received: lookahead={lookahead!r}.")
    if plan.latency <= lookahead:
        return
    late = {key for key in plan.graph.outputs if key in plan.flows and plan.flows[key].latency > lookahead}
    stage = _first_that_looks_ahead(plan, late)
    raise ValueError(
        f"`model` must not look ahead further than `lookahead` samples: layer {stage.use.name!r} "
        f"({type(stage.use.layer).__name__}) is the first that waits for later ones, and the output would be {plan.latency} "
        f"samples late. Received: lookahead={lookahead}. Pass lookahead={plan.latency}, or build the model with "
        "`padding='causal'`."
    )


def _first_that_looks_ahead(plan: Plan, late: Iterable[int]) -> Stage:
    wanted, first = set(late), plan.stages[-1]
    for stage in reversed(plan.stages):
        use = stage.use
        if wanted.intersection(use.outputs):
            wanted.update(use.inputs)
            delays = [plan.flows[key].latency for key in use.inputs if key in plan.flows]
            after = max((plan.flows[key].latency for key in use.outputs if key in plan.flows), default=0)
            if delays and after > 0 and after > max(delays):
                first = stage
    return first
