"""What classifiers of all kinds share: figures by hand, predictions and their table."""

import csv

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous.tasks.classes import ClassPrediction, figures, predicted, write_predictions


def test_figures_by_hand():
    found = figures([[1, 0, 0], [1, 0, 0], [0, 1, 0]], [0, 1, 1], ("a", "b", "c"))
    assert found["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(-np.log(keras.config.epsilon()) / 3)
    assert found["balanced_accuracy"] == (1 + 0.5) / 2  # c has no example
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["classes"]["b"] == {"examples": 2, "recall": 0.5, "precision": 1.0}
    assert found["classes"]["c"] == {"examples": 0, "recall": None, "precision": None}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_macro_f1_is_the_mean_harmonic_mean(pairs):
    truth, said = np.array(pairs).T
    found = figures(np.eye(4)[said], truth, "abcd")
    scores = []
    for k in set(truth) | set(said):
        hits = ((truth == k) & (said == k)).sum()
        precision, recall = hits / max((said == k).sum(), 1), hits / max((truth == k).sum(), 1)
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert found["macro_f1"] == pytest.approx(np.mean(scores))
    assert found["accuracy"] == np.mean(truth == said)


def test_a_table_of_predictions_has_a_row_a_file(tmp_path):
    row = np.float32([0.25, 0.5, 0.25])
    made = [predicted("1.wav", row, "abc", top=2), ClassPrediction("2.wav", error="no sound")]
    assert made[0].to_json()["top"] == [{"class": "b", "probability": 0.5}, {"class": "a", "probability": 0.25}]
    assert made[1].to_json() == {"file": "2.wav", "error": "no sound"}
    write_predictions(made, tmp_path / "new", top=2)
    with open(tmp_path / "new" / "predictions.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["file", "class", "probability", "class_2", "probability_2", "error"],
        ["1.wav", "b", "0.5", "a", "0.25", ""],
        ["2.wav", "", "", "", "", "no sound"],
    ]
