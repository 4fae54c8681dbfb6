"""Scores along DNA, precision over recall, sequence logos."""

import numpy as np
import pytest

from atrous import plots
from atrous.plots.style import FIRST, MUTED, SECOND


def test_a_track_has_scores_up_and_down_and_a_triangle_a_site():
    scores = {"acceptor": np.array([0, 0.9, 0.01, 0, 0]), "donor": np.array([0, 0, 0, 0.4, 0])}
    matrix = {name: np.full(5, 0.5) for name in scores}
    axes = plots.score_track(scores, {"acceptor": [1], "donor": [3, 4]}, first=100, step=-1, baseline=matrix)
    matrix_up, up, above, _, matrix_down, down, below, *_ = (line.get_xydata() for line in axes.lines)
    colors = [line.get_color() for line in axes.lines][:7]
    assert colors == [MUTED, FIRST, FIRST, FIRST, MUTED, SECOND, SECOND]
    assert up[:2].tolist() == [[99, 0], [99, 0.9]]
    assert len(up) == 3  # a bar, and what parts it from the next; too small a score is left out
    assert down[:2].tolist() == [[97, 0], [97, -0.4]]
    assert above[:, 0].tolist() == [99]
    assert below[:, 0].tolist() == [97, 96]
    assert (len(matrix_up), matrix_down[1, 1]) == (15, -0.5)
    assert axes.get_xlim() == (100, 96)  # the other strand is read from right to left
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["acceptor", "donor"]


def test_one_type_has_no_lower_half():
    axes = plots.score_track({"tss": [0.0, 1.0]}, {})
    assert axes.get_ylim()[0] == 0
    for scores in ({}, {"a": [0.0], "b": [0.0, 1.0]}, {name: [0.0] for name in "abc"}):
        with pytest.raises(ValueError, match="`scores` must be of one or two types, all as long"):
            plots.score_track(scores, {})


def test_precision_over_recall():
    axes = plots.precision_curves({"network": [1, 0.5, 0.1], "PWM": [0.5, 0.2, 0.0]}, point=(0.4, 0.4), note="top k")
    assert axes.lines[0].get_xydata().tolist() == [[0, 1], [0.5, 0.5], [1, 0.1]]
    assert axes.lines[1].get_linestyle() == "--"
    assert axes.texts[0].get_text() == "top k"
    with pytest.raises(ValueError, match="`curves` must have at least one curve"):
        plots.precision_curves({})


def test_a_logo_is_as_high_as_it_tells():
    axes = plots.sequence_logo([[0, 0, 10, 0], [5, 5, 0, 0], [1, 1, 1, 1]], first=-1)
    boxes = sorted((box.x0, box.y0, box.y1) for box in (patch.get_path().get_extents() for patch in axes.patches))
    assert len(boxes) == 3  # two bits of G, half a bit each of A and C, and nothing where all are equal
    assert boxes[0] == pytest.approx((-1.46, 0, 2), abs=1e-6)
    (one, other) = sorted(box[1:] for box in boxes[1:])
    assert one == pytest.approx((0, 0.5))
    assert other == pytest.approx((0.5, 1))
    for counts in (np.ones((3, 5)), np.zeros((2, 4)), np.ones(4)):
        with pytest.raises(ValueError, match="`counts` must be"):
            plots.sequence_logo(counts)
