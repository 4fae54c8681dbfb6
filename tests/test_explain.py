"""`explain`: the rows, the table, and that it leaves the model alone."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest

import atrous
import oracle
from atrous import layers
from atrous.ops import native
from catalog import LAYERS, Row
from networks import NETWORKS, Subclassed, conv, functional, sequential

BACKEND = keras.config.backend()
NATIVE = pytest.mark.skipif(BACKEND != "tensorflow" or not native.enabled(), reason="plans are the native core's")


def layer_names(explanation: Any) -> list[str]:
    return [row.layer for row in explanation.rows]


def test_rows_are_in_the_order_of_the_calls():
    last, shared = conv(name="last"), conv(name="shared")
    inner = keras.layers.TimeDistributed(conv(2, name="timed"))
    model = functional(shared, sequential(conv(name="nested"), shared), keras.layers.Reshape((8, 8, 3, 1)), inner)
    model = functional(keras.layers.SeparableConv2D(3, 3, padding="same", name="two"), model, size=(8, 8, 3))
    explanation = atrous.explain(model)
    assert layer_names(explanation) == ["two (depthwise)", "two (pointwise)", "shared", "nested", "timed"]
    assert [row.input_shape for row in explanation.rows][-2:] == [(1, 8, 8, 3), (1, 8, 3, 1)]
    assert last.name not in layer_names(explanation)


def test_the_model_is_left_alone():
    model = NETWORKS["wrapped"]()
    layers_before = model._flatten_layers()
    before = [(dict(vars(layer)), len(layer._inbound_nodes)) for layer in layers_before]
    weights = model.get_weights()
    atrous.explain(model)
    assert model._flatten_layers() == layers_before
    for layer, (attributes, nodes) in zip(layers_before, before, strict=True):
        assert vars(layer).keys() == attributes.keys()
        assert len(layer._inbound_nodes) == nodes
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_call_of_its_own_stays():
    layer = conv()
    model = functional(layer)
    layer.__dict__["call"] = call = lambda inputs: inputs
    atrous.explain(model)
    assert layer.__dict__["call"] is call


@NATIVE
@pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
def test_multiply_adds_are_those_that_meet_data(row: Row):
    layer = row.layer()
    shape = (2, *row.input_shape)
    layer.build(shape)
    explained = atrous.explain(layer, shape).rows
    assert all(part.native for part in explained)
    part, plan = explained[0], next(iter(explained[0].plans.values()))
    assert part.input_shape == shape
    assert explained[-1].output_shape == layer.compute_output_shape(shape)
    assert all(a.output_shape == b.input_shape for a, b in itertools.pairwise(explained))
    assert next(iter(part.plans)) == ("input_gradient" if "Transpose" in row.make.__name__ else "forward")
    assert set(part.plans) == {"forward", "input_gradient", "kernel_gradient"}
    channels = {"Dep": 1, "Sep": 1}.get(row.make.__name__[:3], shape[-1] // getattr(layer, "groups", 1))
    filters = {"Dep": shape[-1] * getattr(layer, "depth_multiplier", 1), "Sep": shape[-1]}.get(
        row.make.__name__[:3], getattr(layer, "filters", 0)
    )
    assert plan["valid_macs"] == 2 * channels * filters * taps_that_meet_data(row, layer, shape)
    assert plan["valid_macs"] <= plan["dense_macs"]


def taps_that_meet_data(row: Row, layer: Any, shape: tuple[int, ...]) -> int:
    """Counted one by one, by the definition."""
    taps, s, r = layer.kernel_size, layer.strides, layer.dilation_rate
    long, short = shape[1:-1], layer.compute_output_shape(shape)[1:-1]
    if "Transpose" in row.make.__name__:
        before, (long, short) = [axis.before for axis in layer.spec.transposed(layer.output_padding)], (short, long)
    else:
        before = [pair[0] for pair in oracle.pads(long, taps, s, r, layer.padding)]
    count = 1
    for n, m, k, stride, rate, p in zip(long, short, taps, s, r, before, strict=True):
        count *= sum(0 <= i * stride + rate * tap - p < n for i, tap in itertools.product(range(m), range(k)))
    return count


def test_the_table():
    model = atrous.accelerate(functional(conv(4, dilation_rate=(2, 3), name="wide"), conv(2, 1, strides=2, name="point")))
    text = str(atrous.explain(model, (1, 8, 8, 3)))
    wide, point = (line for line in text.splitlines() if line.split()[:1] in (["wide"], ["point"]))
    assert "atrous Conv2D" in wide
    assert "3×3 rate 2×3 same" in wide
    assert "1×8×8×4" in wide
    assert "1×1 stride 2 same" in point
    assert max(map(len, text.splitlines())) <= 128
    if BACKEND == "tensorflow":
        assert "jit_compile='auto'" in text
        assert text.count("Native core") == native.enabled()
        # At rate 2 the outer taps miss the data 2 times of 8, at rate 3 they do 3 times.
        assert not native.enabled() or f"{(24 - 4) * (24 - 6) * 3 * 4 / 1000:.3g} k (62%)" in wide
    else:
        assert f"[1] Keras runs on {BACKEND}, which has operations of its own." in text
        assert "stock [1]" in wide
    assert repr(atrous.explain(model)) == str(atrous.explain(model))


def test_why_not(monkeypatch):
    class Doubled(keras.layers.Conv2D):
        pass

    model = functional(
        Doubled(3, 1), conv(name="keras"), layers.Conv2D(3, 1, dtype="bfloat16", name="half"), layers.Conv2D(3, 1)
    )
    doubled, stock, half, ours = atrous.explain(model).rows
    assert doubled.why == "a subclass of keras.layers.Conv2D, which may compute something else"
    assert not any(row.native or row.plans for row in (doubled, stock, half))
    if BACKEND == "tensorflow" and native.enabled():
        assert stock.why == "a Keras layer, which `atrous.accelerate` makes native"
        assert "bfloat16" in half.why
        assert ours.native
        model.compile("sgd", "mse", jit_compile=True)
        assert "jit_compile=True" in atrous.explain(model).rows[3].why
        monkeypatch.setenv("ATROUS_NATIVE", "0")
        assert [row.why for row in atrous.explain(model).rows[1:]] == ["ATROUS_NATIVE=0"] * 3
        assert str(atrous.explain(model)).count("ATROUS_NATIVE=0") == 1
        monkeypatch.delenv("ATROUS_NATIVE")
        with atrous.portable():
            assert atrous.explain(model).rows[3].why == "inside `atrous.portable()`"


def test_sizes_that_are_not_known():
    model = sequential(layers.Conv2D(4, 3, name="wide"), size=(None, 9, 3))
    (row,) = atrous.explain(model).rows
    assert (row.input_shape, row.output_shape, row.plans) == (None, None, {})
    assert "Give `input_shape`" in str(atrous.explain(model))
    assert atrous.explain(model, (3, 20, 9, 3)).rows[0].output_shape == (3, 18, 7, 4)


def test_models_of_every_kind():
    for network in NETWORKS.values():
        rows = atrous.explain(network()).rows
        assert rows
        assert all(row.input_shape and row.output_shape for row in rows)
    model = Subclassed()
    with pytest.raises(ValueError, match=r"`model` must be a Keras model that is built; call it once"):
        atrous.explain(model)
    model(np.zeros((2, 8, 8, 3), "float32"))
    assert [row.input_shape[0] for row in atrous.explain(model).rows] == [2] * 7
    assert atrous.explain(model, (1, 16, 8, 3)).rows[-1].output_shape == (1, 16, 8, 2)


def test_a_layer_that_is_not_called():
    class Optional(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = conv(name="used"), conv(name="unused")

        def build(self, input_shape: Any) -> None:
            self.used.build(input_shape)

        def call(self, inputs: Any) -> Any:
            return self.used(inputs)

    model = Optional()
    model(np.zeros((1, 8, 8, 3), "float32"))
    used, unused = atrous.explain(model).rows
    assert (used.layer, unused.layer, unused.why) == ("used", "unused", "it isn't built")
    model.unused.build((None, 8, 8, 3))
    assert atrous.explain(model).rows[1].input_shape is None


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 8, 8, 4), "8"])
def test_a_shape_that_does_not_fit(shape):
    with pytest.raises(ValueError, match=r"`input_shape` must fit the model's, \(None, 8, 8, 3\), batch included. Received"):
        atrous.explain(sequential(conv()), shape)


def test_a_model_without_convolutions():
    assert "no convolution layer" in str(atrous.explain(sequential(keras.layers.Flatten())))
