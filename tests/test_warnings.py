"""What `analyze` warns about, and the report around it."""

import io
import json
import math

import keras
import pytest
from keras import layers

from atrous.field import analyze


def stack(rates, size=64, kernel=3):
    convolutions = [
        layers.Conv2D(1, kernel, dilation_rate=rate, padding="same", name=f"rate{rate}_{i}") for i, rate in enumerate(rates)
    ]
    return keras.Sequential([keras.Input((size, size, 1)), *convolutions])


def said(report, words):
    return [warning for warning in report.warnings if words in warning]


@pytest.mark.parametrize(
    ("rates", "missed", "better"),
    [((2, 2, 2), 6, (1, 2, 3)), ((2, 4, 8), 14, (1, 3, 9)), ((1, 2, 5), 0, None), ((1, 2, 3), 0, None)],
)
def test_gridding_is_told_with_its_remedy(rates, missed, better):
    report = analyze(stack(rates))
    size = 1 + 2 * sum(rates)
    assert [len(positions) for positions in report.output.missed] == [missed, missed]
    assert report.gridding == missed / size
    warnings = said(report, "Gridding")
    assert len(warnings) == (missed > 0)
    if missed:
        assert f"{missed} of {size} positions" in warnings[0]
        assert f"rates {better} in place of {rates}" in warnings[0]
        assert analyze(stack(better)).gridding == 0


def test_gridding_behind_a_stride_is_told_on_its_own_grid():
    """The layers up to stride 8 fill the input, yet at stride 8 an output sees every other position of the map only."""
    x = keras.Input((256, 256, 1))
    y = x
    for i in range(3):
        y = layers.Conv2D(1, 3, padding="same")(y)
        y = layers.Conv2D(1, 3, strides=2, padding="same", name=f"down{i}")(y)
    for rate in (2, 2, 2):
        y = layers.Conv2D(1, 3, dilation_rate=rate, padding="same")(y)
    report = analyze(keras.Model(x, y))
    assert report.gridding == 0
    (warning,) = said(report, "Gridding")
    assert "6 of 13" in warning
    assert "on the grid of its own resolution" in warning


def test_a_small_field_is_told_and_a_large_one_is_not():
    assert said(analyze(stack((1, 2))), "sees 7×7 positions of the input's 64×64")
    assert not said(analyze(stack((1, 2, 4, 8, 16, 1), size=32)), "positions of the input")
    pooled = keras.Sequential([*stack((1, 2)).layers, layers.GlobalAveragePooling2D()])
    assert not said(analyze(keras.Sequential([keras.Input((64, 64, 1)), *pooled.layers])), "positions of the input")


def test_an_object_larger_than_the_field_is_told():
    model = stack((1, 2))
    assert said(analyze(model, object_size=20), "7×7, is smaller than the object, 20×20")
    assert not said(analyze(model, object_size=(7, 7)), "object")
    with pytest.raises(ValueError, match="`object_size` must be a positive integer"):
        analyze(model, object_size=0)


def test_a_rate_beyond_the_map_is_told():
    report = analyze(stack((1, 16), size=16))
    (warning,) = said(report, "beyond")
    assert "'rate16_1': rate 16 reaches beyond its 16×16 map" in warning
    assert not said(analyze(stack((1, 15), size=16)), "beyond")


def test_an_open_size_is_told():
    report = analyze(keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, strides=2, padding="same")]))
    assert said(report, "size is open")
    assert report.output.offset == (0, 0)
    assert analyze(
        keras.Sequential([keras.Input((None, 8)), layers.Conv1D(2, 3, strides=2, padding="same")]), (7, 8)
    ).output.offset == (-1,)


def branches(first, second, size=32):
    x = keras.Input((size, size, 1))
    return keras.Model(x, layers.Add(name="join")([first(x), second(x)]))


def test_branches_that_are_not_aligned_are_told():
    def shifted(x):
        return layers.Cropping2D(((4, 0), (4, 0)))(layers.ZeroPadding2D(((0, 4), (0, 4)))(x))

    wide = layers.Conv2D(1, 3, padding="same")
    (warning,) = said(analyze(branches(wide, shifted)), "not aligned")
    assert "'join'" in warning
    assert "0, 4" in warning
    assert not said(analyze(branches(wide, layers.Conv2D(1, 5, padding="same"))), "aligned")


def test_a_picked_position_is_not_out_of_line():
    x = keras.Input((32, 1))
    last = keras.ops.expand_dims(x[:, -1], 1)
    report = analyze(keras.Model(x, layers.Add()([layers.Conv1D(1, 3, padding="same")(x), last])))
    assert not said(report, "strides")
    assert not said(report, "aligned")


def test_causal_branches_are_aligned_at_their_ends():
    x = keras.Input((64, 1))
    y = layers.Add()([x, layers.Conv1D(1, 2, dilation_rate=4, padding="causal")(x)])
    report = analyze(keras.Model(x, y))
    assert not said(report, "aligned")
    assert report.output.look_back == (4,)
    assert report.output.look_ahead == (0,)


@pytest.mark.parametrize(
    ("stride", "rates", "told"),
    [(16, (6, 12, 18), False), (8, (12, 24, 36), False), (8, (6, 12, 18), True), (16, (12, 24, 36), True)],
)
def test_parallel_rates_of_another_output_stride_are_told(stride, rates, told):
    x = keras.Input((512, 512, 1))
    y = layers.AveragePooling2D(stride)(x)
    y = layers.Concatenate()([layers.Conv2D(1, 3, dilation_rate=rate, padding="same")(y) for rate in rates])
    warnings = said(analyze(keras.Model(x, y)), "Parallel rates")
    assert len(warnings) == told
    if told:
        assert str((12, 24, 36) if stride == 8 else (6, 12, 18)) in warnings[0]


def test_several_inputs_are_told_and_can_be_asked_for():
    a, b = keras.Input((16, 16, 1), name="photo"), keras.Input((16, 16, 1), name="depth")
    model = keras.Model([a, b], layers.Add()([layers.Conv2D(1, 3, padding="same")(a), layers.Conv2D(1, 5, padding="same")(b)]))
    report = analyze(model)
    assert report.output.size == (3, 3)
    assert said(report, "'photo'; ask for 'depth'")
    assert analyze(model, input_name="depth").output.size == (5, 5)
    with pytest.raises(ValueError, match="`input_name` must be one of the model's inputs"):
        analyze(model, input_name="sound")


def test_json_holds_what_the_report_says():
    model = keras.Sequential([*stack((2, 2)).layers, layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3)])
    report = analyze(keras.Sequential([keras.Input((16, 16, 1)), *model.layers]))
    facts = json.loads(report.to_json())
    assert facts["output"]["size"] == [None, None]
    assert report.output.size == (math.inf, math.inf)
    assert facts["features"]["local_size"] == [9, 9]
    assert facts["gridding"] == pytest.approx(4 / 9)
    assert [layer["name"] for layer in facts["layers"]][-2] == "pool"
    assert facts["input"]["size"] == [16, 16]


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match=r"`model` must be a keras.Model.*Received: model='model.keras'"):
        analyze("model.keras")


def test_an_unknown_name_says_which_are_known():
    with pytest.raises(KeyError, match="rate1_0"):
        analyze(stack((1,)))["conv"]


def test_the_table_leaves_out_what_changes_nothing():
    from rich.console import Console

    model = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.Conv2D(1, 3, dilation_rate=2, name="see"), layers.ReLU(name="bend")]
    )
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(analyze(model).table())
    text = console.export_text()
    assert "see" in text
    assert "bend" not in text
    assert "1 layer in which nothing changes is left out" in text
    assert "The output sees 5×5 at stride 1×1; gridding 0.40." in text
