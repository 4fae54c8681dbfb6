"""The detector: what a location is to say, by loops over locations; losses by their equations; boxes there and back."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous import models
from atrous.blocks import ConvNormActivation
from atrous.field import analyze
from atrous.models import fcos
from scenes import average_precision, overlap, scenes


def backbone(size: int | None = 32, channels: int = 3) -> keras.Model:
    x = inputs = keras.Input((size, size, channels))
    for i, filters in enumerate((8, 16, 16)):
        x = ConvNormActivation(filters, 3, strides=2, padding=1, name=f"down{i}")(x)
    return keras.Model(inputs, x)


def detector(size: int | None = 32, **more) -> keras.Model:
    small = {"classes": 2, "output_stride": 8, "rates": (1, 2), "filters": 16, "depth": 1}
    return models.DilatedDetector(backbone(size), **{**small, **more})


def outputs(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(keras.ops.convert_to_numpy(each)) for name, each in model(x).items()}


# ---- targets ---------------------------------------------------------------------------------------------------------------


def box_of(size: int):
    sides = st.tuples(st.integers(0, size - 1), st.integers(1, size))
    return st.tuples(sides, sides).map(lambda s: [s[0][0], s[1][0], s[0][0] + s[0][1], s[1][0] + s[1][1]])


@given(
    st.lists(box_of(50), max_size=4), st.sampled_from([(40, 50), 33, (8, 70)]), st.sampled_from([4, 8, 16]), st.floats(0.5, 4)
)
def test_targets_are_those_of_loops_over_locations(boxes, image_size, stride, radius):
    labels = [i % 3 for i in range(len(boxes))]
    made = fcos.targets(np.reshape(boxes, (-1, 4)), labels, image_size, 3, stride, radius)
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    assert {each.shape[:2] for each in made.values()} == {(math.ceil(height / stride), math.ceil(width / stride))}
    assert {each.dtype for each in made.values()} == {np.dtype("float32")}
    for i, j in np.ndindex(made["boxes"].shape[:2]):
        x, y = stride // 2 + stride * j, stride // 2 + stride * i
        mine = None
        for box, label in zip(boxes, labels, strict=True):
            left, top, right, bottom = x - box[0], y - box[1], box[2] - x, box[3] - y
            near = max(abs(right - left), abs(bottom - top)) / 2 < radius * stride
            area = (left + right) * (top + bottom)
            if min(left, top, right, bottom) > 0 and near and (mine is None or area < mine[0]):
                mine = area, label, (left, top, right, bottom)
        if mine is None:
            assert not any(each[i, j].any() for each in made.values())
            continue
        _, label, (left, top, right, bottom) = mine
        np.testing.assert_array_equal(made["classes"][i, j], np.eye(3)[label])
        np.testing.assert_array_equal(made["boxes"][i, j], (left, top, right, bottom))
        middle = min(left, right) / max(left, right) * min(top, bottom) / max(top, bottom)
        np.testing.assert_allclose(made["centerness"][i, j], [middle**0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([[0, 0, 5, 5]], [0, 1], 32, 2), "`labels` must have one entry a box. Received: 2 labels, 1 boxes."),
        (([[5, 0, 5, 5]], [0], 32, 2), r"`boxes` must be \(left, top, right, bottom\).* Received: \[5.0, 0.0, 5.0, 5.0\]."),
        (([[0, 0, 5, 5]], [2], 32, 2), "`labels` must be from 0 to 1. Received: 2 … 2."),
        (([], [], 32, 0), "`classes` must be"),
        (([], [], (32, 32, 3), 2), "`image_size` must be"),
        (([], [], 32, 2, 0), "`output_stride` must be"),
    ],
)
def test_wrong_targets_are_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        fcos.targets(*arguments)


# ---- losses ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def batch():
    """Targets of two images, one of them empty, and any outputs."""
    made = [fcos.targets([[3, 2, 30, 25], [20, 20, 44, 47]], [1, 0], 48, 2, 8), fcos.targets([], [], 48, 2, 8)]
    targets = {name: np.stack([each[name] for each in made]) for name in fcos.LOSSES}
    draw = np.random.default_rng(0)
    said = {name: draw.normal(0, 2, each.shape).astype("float32") for name, each in targets.items()}
    said["boxes"] = np.exp(said["boxes"]) * 8
    return targets, said


def loss(name, targets, said) -> float:
    return float(keras.ops.convert_to_numpy(fcos.LOSSES[name](targets[name], said[name])))


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


def test_class_loss_is_the_focal_loss_over_the_number_of_locations_in_objects(batch):
    targets, said = batch
    p, true = sigmoid(said["classes"]), targets["classes"]
    p_true, alpha = np.where(true, p, 1 - p), np.where(true, 0.25, 0.75)
    expected = (-alpha * (1 - p_true) ** 2 * np.log(p_true)).sum() / true.sum()
    assert true.sum() > 4
    assert loss("classes", targets, said) == pytest.approx(expected, rel=1e-4)


def complete_iou(a, b):
    """Of two boxes, after Zheng et al. 2020, equations 8 to 11."""
    middles = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (a, b)]
    hull = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    apart = sum((p - q) ** 2 for p, q in zip(*middles, strict=True))
    diagonal = (hull[2] - hull[0]) ** 2 + (hull[3] - hull[1]) ** 2
    slopes = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / math.pi**2 * (slopes[0] - slopes[1]) ** 2
    iou = overlap(a, b)
    return iou - apart / diagonal - (v**2 / (1 - iou + v) if v else 0)


def test_box_loss_is_one_minus_complete_iou_weighted_by_centerness(batch):
    targets, said = batch
    total = weights = 0.0
    for i in np.ndindex(targets["boxes"].shape[:3]):
        true, other = (each["boxes"][i].astype("float64") * (-1, -1, 1, 1) for each in batch)
        weight = float(targets["centerness"][i][0])
        if weight:
            total += weight * (1 - complete_iou(true, other))
            weights += weight
    assert loss("boxes", targets, said) == pytest.approx(total / weights, rel=1e-4)
    assert loss("boxes", targets, targets) == pytest.approx(0, abs=1e-5)


def test_centerness_loss_is_cross_entropy_inside_objects(batch):
    targets, said = batch
    p, true = sigmoid(said["centerness"]), targets["centerness"]
    each = -true * np.log(p) - (1 - true) * np.log(1 - p)
    assert loss("centerness", targets, said) == pytest.approx(each[true > 0].mean(), rel=1e-5)


def test_an_image_without_objects_teaches_only_classes(batch):
    targets, said = batch
    empty = {name: np.zeros_like(each) for name, each in targets.items()}
    assert loss("boxes", empty, said) == loss("centerness", empty, said) == 0
    assert loss("classes", empty, said) > 0


# ---- boxes -----------------------------------------------------------------------------------------------------------------


def as_said(targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs that say the targets, of a batch of one."""
    said = {name: each[None] for name, each in targets.items()}
    return {**said, "classes": 20 * said["classes"] - 10, "centerness": np.log(said["centerness"] + 1e-3)}


def test_decoded_targets_are_the_boxes():
    _, boxes, labels = scenes(6, 64, 3)
    found = [fcos.decode(as_said(fcos.targets(b, k, 64, 3, 8)), 64, 8)[0] for b, k in zip(boxes, labels, strict=True)]
    for mine, truth, kinds in zip(found, boxes, labels, strict=True):
        assert sorted(zip(mine.boxes.tolist(), mine.classes, strict=True)) == sorted(zip(truth.tolist(), kinds, strict=True))
        assert mine.scores.tolist() == sorted(mine.scores, reverse=True)
    assert average_precision(found, boxes, labels, 0.99) == 1


def test_boxes_end_at_the_image_and_scores_are_the_root_of_both_probabilities():
    said = {
        "classes": np.full((1, 2, 3, 2), -9.0),
        "boxes": np.full((1, 2, 3, 4), 100.0),
        "centerness": np.full((1, 2, 3, 1), 0.5),
    }
    said["classes"][0, 1, 2] = 0.3, -0.2
    (found,) = fcos.decode(said, (20, 40), 16)
    np.testing.assert_array_equal(found.boxes, [[0, 0, 40, 20]] * 2)
    assert found.classes.tolist() == [0, 1], "Boxes of other classes are left alone."
    expected = np.sqrt(sigmoid(np.array([0.3, -0.2])) * sigmoid(np.array(0.5)))
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)
    assert fcos.decode(said, (20, 40), 16, score_threshold=0.5)[0].classes.tolist() == [0]
    assert len(fcos.decode(said, (20, 40), 16, max_detections=1)[0].boxes) == 1
    assert len(fcos.decode(said, (20, 40), 16, score_threshold=0.9)[0].boxes) == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([3, 100]))
def test_suppression_keeps_what_no_better_kept_box_covers(seed, threshold, most):
    draw = np.random.default_rng(seed)
    corners = draw.uniform(0, 20, (25, 2))
    boxes = np.concatenate([corners, corners + draw.uniform(5, 20, (25, 2))], axis=1).astype("float32")
    scores = np.sort(draw.uniform(0, 1, 25))[::-1].astype("float32")
    kept: list[int] = []
    for i, box in enumerate(boxes):
        if all(overlap(box, boxes[j]) <= threshold for j in kept):
            kept.append(i)
    assert fcos.suppress(boxes, scores, threshold, most).tolist() == kept[:most]
    assert fcos._suppress(boxes, threshold, most).tolist() == kept[:most], "where TensorFlow isn't"


def test_predictions_of_another_size_are_refused():
    said = as_said(fcos.targets([], [], 64, 2, 8))
    with pytest.raises(
        ValueError, match=r"`predictions` must be 4×4, as of images of 64×64 at `output_stride` 16\. Received: 8×8\."
    ):
        fcos.decode(said, 64, 16)


# ---- the model -------------------------------------------------------------------------------------------------------------


def test_outputs_are_maps_at_the_output_stride():
    model = detector(None)
    said = outputs(model, np.zeros((2, 40, 52, 3), "float32"))
    assert {name: each.shape for name, each in said.items()} == {
        "classes": (2, 5, 7, 2),
        "boxes": (2, 5, 7, 4),
        "centerness": (2, 5, 7, 1),
    }
    assert (said["boxes"] > 0).all()
    np.testing.assert_allclose(sigmoid(said["classes"]), 0.01, rtol=0.2)


def test_the_encoder_sees_far_at_one_stride():
    report = analyze(detector(64, rates=(2, 3)), (64, 64, 3))
    assert report["encoder2"].local_size == (15 + 8 * 2 * (1 + 4 * (2 + 3)),) * 2
    assert report["encoder2"].stride == report.output.stride == (8, 8)


def test_saved_compiled_and_loaded_it_says_the_same(tmp_path):
    model = detector()
    model.compile("sgd", fcos.LOSSES)
    model.save(tmp_path / "detector.keras")
    restored = keras.saving.load_model(tmp_path / "detector.keras")
    x = np.random.default_rng(0).uniform(0, 1, (1, 32, 32, 3)).astype("float32")
    for name, each in outputs(model, x).items():
        np.testing.assert_array_equal(outputs(restored, x)[name], each)
    assert restored.loss == fcos.LOSSES
    model.save_weights(tmp_path / "detector.weights.h5")
    other = detector(weights=tmp_path / "detector.weights.h5")
    np.testing.assert_array_equal(outputs(other, x)["boxes"], outputs(model, x)["boxes"])


def test_mixed_precision_ends_in_float32():
    said = detector(dtype="mixed_bfloat16")(np.zeros((1, 32, 32, 3), "float32"))
    assert {keras.backend.standardize_dtype(each.dtype) for each in said.values()} == {"float32"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rates": ()}, "`rates` must have at least one rate"),
        ({"rates": (1,), "output_stride": 64}, "`rates` must stay integers"),
        ({"classes": 0}, "`classes` must be"),
        ({"depth": 0}, "`depth` must be"),
    ],
)
def test_wrong_use_is_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        detector(**arguments)
