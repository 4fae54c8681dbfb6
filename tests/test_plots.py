"""What is drawn is read back from the axes."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from atrous import plots
from atrous.plots.style import FIRST, SECOND


def saved(axes):
    """Renders, so that a layout warning fails the test, and returns the SVG."""
    buffer = io.StringIO()
    axes.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def test_learning_curves_hold_the_series_and_mark_the_best_epoch():
    axes = plots.learning_curves([3.0, 2.0, 1.0], [2.5, 1.5, 1.8], metric="loss (nats)", best_epoch=2)
    lines = {line.get_color(): line for line in axes.lines if len(line.get_xdata()) == 3}
    assert lines[SECOND].get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert lines[FIRST].get_ydata().tolist() == [2.5, 1.5, 1.8]
    assert lines[SECOND].get_linestyle() != lines[FIRST].get_linestyle()  # apart without colour too
    assert any(tuple(line.get_xdata()) == (2,) and tuple(line.get_ydata()) == (1.5,) for line in axes.lines)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss (nats)")
    assert {text.get_text() for text in axes.texts} == {"training", "validation"}
    saved(axes)


@pytest.mark.parametrize("values", [[0.5], [1.0, float("nan")], [0.1] * 300])
def test_learning_curves_take_one_epoch_divergence_and_many_epochs(values):
    axes = plots.learning_curves(values, values, metric="loss")
    assert len(axes.texts) == (0 if np.isnan(values[-1]) else 2)
    saved(axes)


def test_learning_curves_refuse_series_of_different_length():
    with pytest.raises(ValueError, match=r"one value for each epoch.*2 and 1 values"):
        plots.learning_curves([1.0, 2.0], [1.0], metric="loss")


def test_confusion_matrix_writes_names_and_counts():
    axes = plots.confusion_matrix(np.array([[8, 2], [0, 5]]), ("cat", "a name that is much too long"))
    assert [text.get_text() for text in axes.texts] == ["8", "2", "5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "a name that is mu…"]
    opacity = axes.images[0].get_array()[..., 3]
    np.testing.assert_allclose(opacity, np.sqrt([[0.8, 0.2], [0, 1]]))
    saved(axes)


@pytest.mark.parametrize("classes", [1, 3, 30, 100])
def test_confusion_matrix_is_readable_at_any_size(classes):
    counts = np.random.default_rng(0).integers(0, 3, (classes, classes)) + 50 * np.eye(classes, dtype=int)
    axes = plots.confusion_matrix(counts, [f"class {i}" for i in range(classes)])
    saved(axes)
    assert axes.figure.get_figwidth() < 8
    assert len(axes.texts) == (np.count_nonzero(counts) if classes <= 30 else 0)
    assert "number" in axes.get_xlabel() or classes <= 30


def test_confusion_matrix_takes_a_class_without_examples():
    assert len(plots.confusion_matrix(np.array([[3, 0], [0, 0]]), "ab").texts) == 1


def test_confusion_matrix_refuses_names_that_do_not_fit():
    with pytest.raises(ValueError, match=r"one row for each class.*\(2, 2\), 3 class names"):
        plots.confusion_matrix(np.eye(2), "abc")


def test_image_grid_shows_gray_and_colour_on_one_scale():
    images = [np.full((4, 6, 1), 51, "uint8"), np.full((4, 6, 3), 255, "uint8"), np.zeros((4, 6), "uint8")]
    every = plots.image_grid(images, ["a", "b", "c"], columns=2)
    assert [axes.get_title() for axes in every] == ["a", "b", "c"]
    assert every[0].images[0].get_array()[0, 0] == pytest.approx(0.2)
    assert every[0].images[0].get_clim() == (0, 1)
    assert every[1].images[0].get_array().shape == (4, 6, 3)
    saved(every[0])
    with pytest.raises(ValueError, match="1 images, 0 captions"):
        plots.image_grid(images[:1], [])


def test_feature_maps_come_strongest_first_on_one_scale():
    maps = np.zeros((3, 5, 4), "float32")
    maps[0, 0] = [1, 4, 0, 2]
    axes = plots.feature_maps(maps, limit=3, columns=2)
    assert [text.get_text() for text in axes.texts] == ["1", "3", "0"]
    assert [image.get_array().max() for image in axes.images] == [4, 2, 1]
    assert {image.get_clim() for image in axes.images} == {(0.0, 4.0)}
    boxes = [image.get_extent() for image in axes.images]
    assert boxes[0][1] < boxes[1][0]  # side by side
    assert boxes[0][2] < boxes[2][3]  # then the next row
    assert "activation" in saved(axes)


def test_feature_maps_take_dead_and_negative_channels():
    assert plots.feature_maps(np.zeros((2, 2, 3))).images[0].get_clim() == (0.0, 1.0)
    assert plots.feature_maps(-np.ones((2, 2, 3))).images[0].get_clim() == (-1.0, 0.0)
    with pytest.raises(ValueError, match=r"\(height, width, channels\)"):
        plots.feature_maps(np.zeros((2, 2)))


def test_receptive_field_outlines_whole_pixels():
    taps = [((2, 3), (1, 2)), ((6, 7), (5, 6))]
    axes = plots.receptive_field(np.zeros((10, 12, 3), "uint8"), ((2, 7), (-3, 6)), taps)
    boxes = [patch.get_bbox().bounds for patch in axes.patches]
    assert boxes == [(0.5, 1.5, 2, 2), (4.5, 5.5, 2, 2), (-3.5, 1.5, 10, 6)]
    assert [tuple(np.ravel(line.get_xydata())) for line in axes.lines] == [(1.5, 2.5), (5.5, 6.5)]
    left, right = axes.get_xlim()
    assert left < -3.5  # padding that is seen is shown
    assert right > 11.5
    assert "pixels" in axes.get_xlabel()
    saved(axes)


def test_a_field_far_larger_than_the_image_leaves_the_image_visible():
    axes = plots.receptive_field(np.zeros((10, 10, 1), "uint8"), ((-500, 500), (-500, 500)))
    left, right = axes.get_xlim()
    assert right - left <= 31


def test_plots_draw_into_the_figure_they_are_given():
    figure = Figure()
    assert plots.learning_curves([1.0], [1.0], metric="loss", figure=figure).figure is figure
    assert plots.confusion_matrix(np.eye(2, dtype=int), "ab", figure=figure.subfigures()).figure in figure.subfigs
