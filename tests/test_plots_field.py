"""Pictures of what a network sees: what is drawn is read back from the axes."""

import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from atrous import plots


def saved(axes):
    """Renders, so that a layout warning fails the test, and returns the SVG."""
    buffer = io.StringIO()
    axes.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def marks(axes, gid):
    """Where the markers of one kind are, sorted."""
    lines = [line for line in axes.lines if line.get_gid() == gid]
    return sorted((float(x), float(y)) for line in lines for x, y in line.get_xydata())


def patches(axes, gid):
    return [patch.get_bbox().bounds for patch in axes.patches if patch.get_gid() == gid]


def path_counts(kernel_sizes, rates):
    """Every path through the layers, one by one: the first position and how many paths begin at each."""
    taps = [[rate * m for m in range(size)] for size, rate in zip(kernel_sizes, rates, strict=True)]
    counts = np.zeros(1 + sum(offsets[-1] for offsets in taps), int)
    for path in itertools.product(*taps):
        counts[sum(path)] += 1
    return counts


layers = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=4)


# Footprint


def test_a_footprint_has_a_tap_for_each_weight_and_a_line_around_the_effective_kernel():
    panels = plots.kernel_footprint(3, (1, 2, 3))
    assert [axes.get_title() for axes in panels] == ["rate 1: 3 × 3", "rate 2: 5 × 5", "rate 3: 7 × 7"]
    for rate, axes in enumerate(panels, 1):
        centres = {(round(x + w / 2, 6), round(y + h / 2, 6)) for x, y, w, h in patches(axes, "tap")}
        assert centres == {(rate * i, rate * j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        assert patches(axes, "span") == [(-rate - 0.5, -rate - 0.5, 2 * rate + 1, 2 * rate + 1)]
    assert {(axes.get_xlim(), axes.get_ylim()) for axes in panels} == {((-4.5, 4.5), (4.5, -4.5))}  # one scale
    assert {axes.get_xlabel() for axes in panels} == {"column (pixels)"}
    assert panels[0].get_ylabel() == "row (pixels)"
    saved(panels[0])


def test_a_footprint_takes_rows_and_columns_apart_and_even_sizes():
    (axes,) = plots.kernel_footprint((1, 2), [(5, 3)], unit="samples")
    assert axes.get_title() == "rate 5 × 3: 1 × 4"
    assert sorted(x + w / 2 for x, _, w, _ in patches(axes, "tap")) == pytest.approx(
        [-1, 2]
    )  # the odd one behind, as in "same"
    assert axes.get_xlabel() == "column (samples)"


def test_a_footprint_over_an_image_shows_its_middle_below_the_computed_pixel():
    image = np.zeros((9, 6, 3), "uint8")
    image[4, 3] = 255
    panels = plots.kernel_footprint(3, (1, 4, 2, 3), image=image, columns=2)
    left, right, bottom, top = panels[1].images[0].get_extent()
    assert (left + 3.5, top + 4.5) == (0, 0)
    assert (right - left, bottom - top) == (6, 9)
    assert panels[1].get_xlim() == (-5.5, 5.5)
    assert panels[3].get_position().y0 < panels[1].get_position().y0
    saved(panels[0])


def test_taps_show_in_pixels_that_are_small():
    wide = plots.kernel_footprint(3, (6, 12, 18))[2]
    narrow = plots.kernel_footprint(3, (1, 2, 3))[2]
    borders = [{patch.get_linewidth() for patch in axes.patches if patch.get_gid() == "tap"} for axes in (wide, narrow)]
    assert min(borders[0]) > 1
    assert borders[1] == {0}


@pytest.mark.parametrize(
    ("kernel_size", "rates", "message"),
    [
        (3, (0,), r"`rates` must be positive integers.*\(0, 0\)"),
        (3, ((1, 2, 3),), r"`rates` must be.*\(1, 2, 3\)"),
        (2.5, (1,), r"`kernel_size` must be.*2\.5"),
        (3, (), "`rates` must hold at least one rate"),
    ],
)
def test_a_footprint_refuses_what_is_no_kernel(kernel_size, rates, message):
    with pytest.raises(ValueError, match=message):
        plots.kernel_footprint(kernel_size, rates)


# Tree


def test_the_classical_tree_reaches_sixteen_samples_by_one_path_each():
    axes = plots.stacked_tree(2, (1, 2, 4, 8))
    rows = [[x for x, y in marks(axes, "reached") if y == level] for level in range(4)]
    assert rows == [list(range(-15, 1)), list(range(-14, 1, 2)), [-12, -8, -4, 0], [-8, 0]]
    assert marks(axes, "output") == [(0, 4)]
    assert marks(axes, "holes") == []
    lines = axes.findobj(LineCollection)
    assert [len(collection.get_segments()) for collection in lines][1:] == [2 + 4 + 8 + 16]
    assert [label.get_text() for label in axes.get_yticklabels()][::4] == ["input", "output: rate 8"]
    assert axes.get_title(loc="left") == "one output sees 16 samples"
    assert axes.get_xlabel().startswith("time (samples)")
    saved(axes)


@settings(max_examples=30)
@given(layers, st.booleans())
def test_a_tree_begins_where_a_path_does_and_crosses_the_rest(stack, causal):
    sizes, rates = zip(*stack, strict=True)
    counts = path_counts(sizes, rates)
    first = -sum((k - 1) * r if causal else (k - 1) * r // 2 for k, r in stack)
    axes = plots.stacked_tree(sizes, rates, causal=causal)
    assert [x for x, y in marks(axes, "reached") if y == 0] == (first + np.flatnonzero(counts)).tolist()
    assert [x for x, _ in marks(axes, "holes")] == (first + np.flatnonzero(counts == 0)).tolist()
    lines = axes.findobj(LineCollection)[-1].get_segments()
    assert len(np.unique(lines, axis=0)) == len(lines)
    reached = {level: sum(y == level for _, y in marks(axes, "reached")) for level in range(1, len(stack))} | {len(stack): 1}
    assert len(lines) == sum(reached[level] * size for level, size in enumerate(sizes, 1))


def test_a_centred_tree_is_symmetric_and_counts_pixels():
    axes = plots.stacked_tree((3, 3), (1, 2), causal=False, unit="pixels")
    assert [x for x, y in marks(axes, "reached") if y == 0] == [-3, -2, -1, 0, 1, 2, 3]
    assert axes.get_xlabel() == "position (pixels), relative to the output"


def test_a_tree_in_milliseconds():
    axes = plots.stacked_tree(3, (2, 2), sample_rate=4000)
    assert [x for x, y in marks(axes, "reached") if y == 0] == [-2, -1.5, -1, -0.5, 0]
    assert [x for x, _ in marks(axes, "holes")] == [-1.75, -1.25, -0.75, -0.25]
    assert axes.get_xlabel().startswith("time (ms)")
    assert axes.get_title(loc="left") == "one output sees 5 of 9 samples (2.25 ms)"


def test_a_long_tree_leaves_the_other_outputs_out():
    axes = plots.stacked_tree(2, [2**i for i in range(9)])
    assert marks(axes, "others") == []
    assert sum(y == 0 for _, y in marks(axes, "reached")) == 512
    saved(axes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_sizes": 2, "rates": (1, 0)}, r"`rates` must be positive integers, one for each layer.*\(1, 0\)"),
        (
            {"kernel_sizes": (2, 2), "rates": (1, 2, 4)},
            r"`kernel_sizes` must be positive integers, one for each layer.*\(2, 2\)",
        ),
        ({"kernel_sizes": 2, "rates": ()}, r"`rates` must be.*rates=\(\)"),
        ({"kernel_sizes": 2, "rates": 3}, "`rates` must be.*rates=3"),
        ({"kernel_sizes": 2, "rates": (1,), "sample_rate": 0}, "`sample_rate` must be a positive number.*sample_rate=0"),
    ],
)
def test_a_tree_refuses_what_is_no_stack(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.stacked_tree(**arguments)


# Coverage


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=5))
def test_a_map_crosses_the_zeros_and_colours_the_rest(rows):
    counts = np.array(rows)
    axes = plots.coverage_map(counts, offset=(-2, 5))
    assert marks(axes, "holes") == sorted((c + 5, r - 2) for r, c in np.argwhere(counts == 0))
    drawn = axes.images[0].get_array()
    np.testing.assert_array_equal(drawn.mask, counts == 0)
    np.testing.assert_array_equal(drawn.filled(0), counts)
    assert axes.images[0].get_extent() == [4.5, 8.5, len(rows) - 2.5, -2.5]
    assert (axes.get_xlim(), axes.get_ylim()) == ((4.5, 8.5), (len(rows) - 2.5, -2.5))


def test_a_map_names_units_and_counts_its_holes():
    ways = path_counts((3, 3, 3), (2, 2, 2))
    axes = plots.coverage_map(np.outer(ways, ways))
    assert axes.get_title() == "120 of 169 pixels never read"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("column (pixels)", "row (pixels)")
    assert axes.figure.axes[1].get_xlabel() == "paths to the output"
    saved(axes)
    ways = path_counts((3, 3, 3), (1, 2, 3))
    axes = plots.coverage_map(np.outer(ways, ways), unit="cells")
    assert axes.get_title() == "all 169 cells read"
    assert marks(axes, "holes") == []


def test_a_map_is_darker_where_more_paths_are_and_its_palest_is_no_hole():
    image = plots.coverage_map(np.array([[1, 25, 400, 10_000]])).images[0]
    opacity = image.cmap(image.norm(image.get_array()))[0, :, 3]
    assert np.all(np.diff(opacity) > 0.01)
    assert opacity[0] > 0.15
    assert opacity[2] == pytest.approx(opacity[0] + 0.19 / 0.99 * (1 - opacity[0]), abs=0.01)  # square roots: 20 of 100


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (90, 70)])
def test_a_map_of_any_shape_is_drawn(shape):
    counts = np.indices(shape).sum(axis=0) % 3
    axes = plots.coverage_map(counts)
    saved(axes)
    assert len(marks(axes, "holes")) == np.count_nonzero(counts == 0)


def test_a_map_takes_more_paths_than_an_integer_of_64_bits_holds():
    axes = plots.coverage_map([[1, 3**50], [3**45, 0]])
    saved(axes)
    bar = axes.figure.axes[1]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["0", "1.79e+23", "7.18e+23"]


def test_a_profile_has_a_bar_a_position_and_a_cross_a_hole():
    axes = plots.path_profile(path_counts((3, 3, 3), (2, 2, 2)), offset=-6)
    assert [bar.get_height() for bar in axes.patches] == [1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == pytest.approx(range(-6, 7))
    assert marks(axes, "holes") == [(x, 0) for x in (-5, -3, -1, 1, 3, 5)]
    assert axes.get_title(loc="left") == "6 of 13 pixels never read"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("position (pixels)", "paths to the output")
    assert axes.get_xlim()[0] < -6.4
    assert axes.get_ylim()[1] > 7
    saved(axes)


def test_a_long_profile_is_one_outline_in_milliseconds():
    counts = np.arange(400) % 4
    axes = plots.path_profile(counts, -399, unit="samples", sample_rate=8000)
    (outline,) = axes.patches
    values, edges, _ = outline.get_data()
    np.testing.assert_array_equal(values, counts)
    assert (edges[0], edges[-1]) == pytest.approx((-399.5 / 8, 0.5 / 8))
    assert len(marks(axes, "holes")) == 100
    assert axes.get_xlabel() == "time (ms)"
    assert axes.get_title(loc="left") == "100 of 400 samples never read"


@pytest.mark.parametrize(
    ("draw", "counts", "message"),
    [
        (plots.coverage_map, np.ones(3), r"`counts` must have shape \(rows, columns\).*\(3,\)"),
        (plots.coverage_map, np.ones((0, 3)), r"hold something.*\(0, 3\)"),
        (plots.coverage_map, [[1, -1]], "finite and not negative.*-1 to 1"),
        (plots.path_profile, np.ones((2, 2)), r"`counts` must have shape \(positions,\).*\(2, 2\)"),
        (plots.path_profile, [1, math.inf], "finite and not negative.*inf"),
    ],
)
def test_coverage_refuses_what_are_no_counts(draw, counts, message):
    with pytest.raises(ValueError, match=message):
        draw(counts)


# Effective field


def test_the_effective_field_of_a_gaussian_ends_at_two_deviations():
    rows, columns = np.mgrid[:81, :101]
    gradient = np.exp(-(((rows - 40) / 6) ** 2 + ((columns - 50) / 10) ** 2) / 2)
    axes = plots.effective_field(-gradient, theoretical=((-3, 83), (0, 100)))
    ellipse, box, theoretical = axes.patches
    assert ellipse.center == pytest.approx((50, 40))
    assert (ellipse.height, ellipse.width) == pytest.approx((24, 40), abs=0.1)
    assert box.get_bbox().bounds == (29.5, 27.5, 41, 25)  # 1.96 σ: 19.6 and 11.8 pixels to each side
    assert theoretical.get_bbox().bounds == (-0.5, -3.5, 101, 87)
    assert len({str(patch.get_linestyle()) for patch in axes.patches}) == 3  # apart without colour, too
    (legend,) = axes.figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["±2σ: 24.0 × 40.0 pixels", "95 % along each axis: 25 × 41 pixels", "theoretical: 87 × 101 pixels"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("column (pixels)", "row (pixels)")
    assert axes.get_ylim()[0] > 83.5  # padding that is seen is shown
    saved(axes)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any))
def test_the_dashed_box_holds_95_percent_and_no_pixel_too_many(marginal):
    weights = np.array(marginal, float)
    _, box = plots.effective_field(weights[None]).patches[:2]
    first, last = round(box.get_x() + 0.5), round(box.get_x() + box.get_width() - 0.5)
    cut = 0.025 * weights.sum()
    assert weights[:first].sum() <= cut * (1 + 1e-9)
    assert weights[last + 1 :].sum() <= cut * (1 + 1e-9)
    assert weights[: first + 1].sum() >= cut * (1 - 1e-9)
    assert weights[last:].sum() >= cut * (1 - 1e-9)


def test_the_image_is_below_in_dark_gray_and_heat_is_transparent_where_nothing_counts():
    gradient = np.zeros((4, 6))
    gradient[1, 2], gradient[2, 2] = 4, -1
    image = np.full((4, 6, 3), (0, 100, 200), "uint8")
    axes = plots.effective_field(gradient, image)
    below, heat = axes.images
    np.testing.assert_allclose(below.get_array(), 0.4 * 100 / 255)
    colors = heat.cmap(heat.norm(heat.get_array()))
    assert colors[0, 0, 3] == 0
    assert 0.3 < colors[2, 2, 3] < colors[1, 2, 3]
    lightness = colors[..., :3].mean(axis=-1)
    assert lightness[1, 2] > lightness[2, 2]
    assert len(axes.patches) == 2
    assert plots.effective_field(gradient, image[..., :1]).images[0].get_array().max() == 0
    saved(axes)


@pytest.mark.parametrize(
    ("gradient", "image", "message"),
    [
        (np.ones((4, 4, 3)), None, r"`gradient` must have shape \(height, width\).*\(4, 4, 3\)"),
        (np.zeros((4, 4)), None, "not zero everywhere"),
        (np.full((4, 4), np.nan), None, "must be finite"),
        (np.ones((4, 4)), np.zeros((4, 5, 3)), r"`image` must be as large as `gradient`.*\(4, 5, 3\).*\(4, 4\)"),
    ],
)
def test_the_effective_field_refuses_what_is_no_gradient(gradient, image, message):
    with pytest.raises(ValueError, match=message):
        plots.effective_field(gradient, image)


# Growth


def fields(axes):
    return [line.get_ydata().tolist() for line in axes.lines if line.get_gid() == "field"]


def test_growth_holds_the_sizes_the_input_and_arrows_for_the_whole_input():
    axes = plots.field_growth(["a", "b", "flatten"], [3, 7, None], input_size=28)
    np.testing.assert_array_equal(fields(axes), [[3, 7, np.nan]])
    (arrow,) = marks(axes, "infinite")
    assert arrow[0] == 3
    assert 28 < arrow[1] < axes.get_ylim()[1]
    assert max(axes.get_yticks()) <= 28  # an arrow has no number beside it
    assert {text.get_text() for text in axes.texts} == {"input: 28 pixels", "whole input"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "flatten"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "receptive field (pixels)")
    saved(axes)


def test_growth_of_several_stacks_is_told_apart_without_colour_on_factors_of_two():
    axes = plots.field_growth("abc", {"plain": [3, 5, 7], "doubling": np.array([3, 7, math.inf])}, log=True)
    assert axes.get_yscale() == "log"
    assert axes.get_yticks().tolist() == [2, 4, 8]
    lines = [line for line in axes.lines if line.get_gid() == "field"]
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 2
    places = {text.get_text(): text.xy for text in axes.texts}
    assert places["doubling"][0] < places["plain"][0]  # each where its line ends
    assert places["doubling"][1] == pytest.approx(places["plain"][1] + 0.075)  # as high: one line apart
    saved(axes)


def test_growth_in_milliseconds_of_many_layers_counts_them():
    axes = plots.field_growth([f"layer{i}" for i in range(60)], np.arange(1, 61), sample_rate=2000, input_size=100)
    assert fields(axes)[0][-1] == 30
    assert axes.get_ylabel() == "receptive field (ms)"
    assert axes.get_xlabel() == "layer (number)"
    assert any(text.get_text() == "input: 50 ms" for text in axes.texts)
    assert axes.get_ylim()[1] > 50
    saved(axes)


@pytest.mark.parametrize("log", [False, True])
def test_growth_takes_layers_that_all_see_everything(log):
    axes = plots.field_growth(["pool"], [math.inf], log=log)
    assert len(marks(axes, "infinite")) == 1
    assert len(axes.get_yticks()) == 0
    saved(axes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": "ab", "sizes": [3]}, "one entry for each layer. Received: 2 names, 1 sizes"),
        ({"names": "", "sizes": []}, "0 names, 0 sizes"),
        ({"names": "ab", "sizes": [3, 0]}, r"`sizes` must be positive.*\[3, 0\]"),
        ({"names": "a", "sizes": {}}, "one to 4 stacks. Received: 0"),
        ({"names": "a", "sizes": {name: [1] for name in "vwxyz"}}, "one to 4 stacks. Received: 5"),
        ({"names": "a", "sizes": [1], "input_size": -1}, "`input_size` must be a positive number.*-1"),
    ],
)
def test_growth_refuses_what_is_no_field(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.field_growth(**arguments)


# Memory


def test_memory_is_in_mebibytes_first_layer_on_top():
    axes = plots.memory_by_layer(["conv", "pool"], [3 * 2**20, 2**19])
    assert [bar.get_width() for bar in axes.patches] == [3, 0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv", "pool"]
    low, high = axes.get_ylim()
    assert low > high
    assert [text.get_text() for text in axes.texts] == ["3", "0.5"]
    assert axes.get_title(loc="left") == "2 layers, 3.5 MiB in all"
    assert axes.get_xlabel() == "memory (MiB)"
    saved(axes)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2**34), min_size=1, max_size=40), st.integers(1, 12))
def test_memory_of_a_long_network_keeps_the_largest_in_order_and_all_bytes(sizes, largest):
    names = [f"layer{i}" for i in range(len(sizes))]
    axes = plots.memory_by_layer(names, sizes, largest=largest)
    widths = [bar.get_width() for bar in axes.patches]
    assert sum(widths) == pytest.approx(sum(sizes) / 2**20)
    shown = [label.get_text() for label in axes.get_yticklabels()]
    kept = [names.index(name) for name in shown[:largest]]
    assert kept == sorted(kept)
    assert sorted((sizes[i] for i in kept), reverse=True) == sorted(sizes, reverse=True)[:largest]
    assert shown[largest:] == ([f"{len(sizes) - largest} others"] if len(sizes) > largest else [])
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False] * len(kept) + [True] * (len(shown) - len(kept))


def test_memory_shortens_long_names_in_the_middle_and_takes_nothing_at_all():
    axes = plots.memory_by_layer(["stage1/" + 40 * "x" + "/conv", "b"], [0, 0])
    name = axes.get_yticklabels()[0].get_text()
    assert (len(name), name[:7], name[-5:]) == (34, "stage1/", "/conv")
    saved(axes)


@pytest.mark.parametrize(
    ("sizes", "largest", "message"),
    [
        ([1.0], 5, "2 names, 1 sizes"),
        ([1, -1], 5, r"finite and not negative.*\[1, -1\]"),
        ([1, math.nan], 5, "finite and not negative"),
        ([1, 2], 0, "`largest` must be a positive integer.*largest=0"),
    ],
)
def test_memory_refuses_what_are_no_bytes(sizes, largest, message):
    with pytest.raises(ValueError, match=message):
        plots.memory_by_layer("ab", sizes, largest=largest)


# All


@pytest.mark.parametrize(
    "draw",
    [
        lambda figure: plots.kernel_footprint(3, (1, 2), figure=figure)[1],
        lambda figure: plots.stacked_tree(2, (1, 2), figure=figure),
        lambda figure: plots.coverage_map(np.eye(3), figure=figure),
        lambda figure: plots.path_profile([1, 0, 1], figure=figure),
        lambda figure: plots.effective_field(np.eye(3), figure=figure),
        lambda figure: plots.field_growth("ab", [1, 2], figure=figure),
        lambda figure: plots.memory_by_layer("ab", [1, 2], figure=figure),
    ],
    ids=["footprint", "tree", "map", "profile", "effective", "growth", "memory"],
)
def test_pictures_are_drawn_into_the_figure_or_the_part_that_is_given(draw):
    figure = Figure(layout="constrained")
    assert draw(figure).figure is figure
    assert draw(part := figure.subfigures()).figure is part
    figure.savefig(io.BytesIO(), format="png")
