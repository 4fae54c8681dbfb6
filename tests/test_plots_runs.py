import pytest

from atrous.plots.curves import compared_curves
from atrous.plots.sizes import sizes_and_fields


def test_each_run_has_a_line_with_its_name():
    axes = compared_curves({"first": [0.1, 0.2, 0.3], "second": [0.4]}, metric="mean IoU")
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.1, 0.2, 0.3], [0.4]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["first", "second"]
    assert axes.lines[1].get_marker() == "o"  # of one epoch, a line would show nothing
    with pytest.raises(ValueError, match="`series` must hold a value for each epoch"):
        compared_curves({"first": []}, metric="loss")


def test_things_are_points_and_fields_lines():
    axes = sizes_and_fields([30, 10, 20], {"field": 15, "image": 25}, scores=[0.3, 0.1, 0.2])
    points, *lines = axes.lines
    assert (list(points.get_xdata()), list(points.get_ydata())) == ([10, 20, 30], [0.1, 0.2, 0.3])
    assert [line.get_xdata()[0] for line in lines] == [15, 25]
    assert [text.get_text() for text in axes.texts] == ["field: 15", "image: 25"]


def test_a_field_far_beyond_is_pointed_at_and_leaves_room_for_the_rest():
    axes = sizes_and_fields([10, 20], {"field": 600})
    assert axes.get_xlim()[1] < 30
    assert axes.texts[0].get_text() == "field: 600 →"
    assert list(axes.lines[0].get_ydata()) == [0.5, 1.0]  # without scores, the share that is smaller


@pytest.mark.parametrize("scores", [[], [0.5]])
def test_a_score_for_each(scores):
    with pytest.raises(ValueError, match="`sizes` must have at least one entry"):
        sizes_and_fields([1, 2] if scores else [], {}, scores=scores)
