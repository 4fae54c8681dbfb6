"""Paths from the input to one output, against counting them by hand, by gradients of ones, and by matrices."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from atrous.field import analyze
from atrous.field.axis import AxisMap
from atrous.field.reach import pulled, reach


def stack(rank, length, *arguments):
    model = keras.Sequential([keras.Input((*(length,) * rank, 1))])
    for options in arguments:
        model.add(getattr(layers, f"Conv{rank}D")(1, **options))
    return model


def test_paths_are_binomial_through_kernels_of_two():
    model = stack(1, 9, *[{"kernel_size": 2}] * 4)
    np.testing.assert_allclose(reach(model, (2,)) * 6, [0, 0, 1, 4, 6, 4, 1, 0, 0])


def test_paths_through_padding_are_left_out():
    same = stack(1, 5, {"kernel_size": 3, "padding": "same"}, {"kernel_size": 3, "padding": "same"})
    np.testing.assert_allclose(reach(same, (0,)) * 2, [2, 2, 1, 0, 0])  # not [3, 2, 1]: one path would run through −1
    np.testing.assert_allclose(reach(same) * 3, [1, 2, 3, 2, 1])


def test_paths_in_two_axes_are_a_product_and_a_sum_of_branches_is_not():
    x = keras.Input((7, 7, 1))
    rows = layers.Conv2D(1, (3, 1), padding="same")(x)
    columns = layers.Conv2D(1, (1, 3), padding="same")(x)
    cross = np.zeros((7, 7))
    cross[2:5, 3] += 1
    cross[3, 2:5] += 1
    np.testing.assert_allclose(reach(keras.Model(x, layers.Add()([rows, columns]))) * 2, cross)
    square = reach(stack(2, 7, {"kernel_size": 3, "padding": "same"}))
    assert square.sum() == 9


def test_a_picked_position_and_a_merged_axis_are_exact():
    x = keras.Input((8, 2))
    y = layers.Conv1D(2, 3, padding="causal", dilation_rate=2)(x)
    last = layers.Dense(1)(y[:, -1])
    np.testing.assert_array_equal(reach(keras.Model(x, last)), [0, 0, 0, 1, 0, 1, 0, 1])
    x = keras.Input((3, 4, 1))
    merged = layers.Conv1D(1, 3)(layers.Reshape((12, 1))(x))
    np.testing.assert_array_equal(reach(keras.Model(x, merged), (3,)), [[0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]])


def test_paths_agree_with_the_row_of_analyze_in_the_middle():
    model = stack(1, 64, {"kernel_size": 3}, {"kernel_size": 4, "strides": 2}, {"kernel_size": 3, "dilation_rate": 3})
    row = analyze(model).output
    first, paths = row.fields[0].at(5)
    expected = np.zeros(64)
    expected[first : first + len(paths)] = paths
    np.testing.assert_allclose(reach(model, (5,)), expected / expected.max(), rtol=1e-12)


def test_nothing_underflows_in_a_deep_network():
    x = y = keras.Input((31, 31, 1))
    layer = layers.Conv2D(1, 3, padding="same")
    for _ in range(700):
        y = layer(y)
    assert (reach(keras.Model(x, y), (0, 0)) > 0).all()


def test_wrong_questions_are_refused():
    model = stack(1, 9, {"kernel_size": 2, "name": "a"})
    with pytest.raises(ValueError, match=r"`position` must be an index.*\(8,\).*Received: \(8,\)"):
        reach(model, (8,))
    with pytest.raises(ValueError, match="`layer` must be a layer of"):
        reach(model, layer="b")
    with pytest.raises(ValueError, match="`input_shape` must be given"):
        reach(stack(1, None, {"kernel_size": 2}))
    assert reach(stack(1, None, {"kernel_size": 2}), (3,), input_shape=(7, 1)).tolist() == [0, 0, 0, 1, 1, 0, 0]


maps = st.one_of(
    st.builds(AxisMap.window, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4)),
    st.builds(AxisMap.transposed, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4)),
    st.builds(AxisMap.resize, st.integers(1, 9), st.integers(1, 9), st.sampled_from(["nearest", "bilinear", "bicubic"])),
    st.builds(AxisMap.adaptive, st.integers(1, 9), st.integers(1, 9)),
    st.builds(AxisMap, st.just(((0,),)), st.just(1), st.booleans(), st.booleans()),
)


@given(maps, st.integers(1, 12), st.integers(1, 12))
def test_pulling_back_is_the_transposed_matrix(step, after, before):
    matrix = np.zeros((after, before))
    for output in range(after):
        for position in step.reads(output):
            if 0 <= position < before:
                matrix[output, position] += 1
        matrix[output, : min(output, before)] += step.past
        matrix[output, output + 1 :] += step.future
    counts = np.random.default_rng(after).integers(0, 5, (after, 2)).astype(float)
    pulled_back, cut = pulled(counts, step, before)
    np.testing.assert_allclose(pulled_back, matrix.T @ counts)
    outside = [any(not 0 <= p < before for p in step.reads(o)) and counts[o].any() for o in range(after)]
    assert cut == any(outside)
