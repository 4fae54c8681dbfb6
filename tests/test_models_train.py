"""Every model learns: eight examples by heart, in seconds. One row a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from atrous import models
from atrous.models import fcos
from atrous.models.wavenet import logistic_mixture_loss
from scenes import average_precision, scenes

EXAMPLES = 8
ROUNDS, STEPS = 12, 20
TENSORFLOW = keras.config.backend() == "tensorflow"


def right(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of labels that are the most probable ones."""
    return float((outputs.argmax(axis=-1) == targets).mean())


def near(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of the targets' variance that is met."""
    return float(1 - np.square(outputs - targets).mean() / targets.var())


def near_means(outputs: np.ndarray, targets: np.ndarray) -> float:
    """The same, of mixtures of logistics: logits of the weights, means, scales."""
    logits, means, _ = np.split(outputs, 3, axis=-1)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return near((weights * means).sum(axis=-1, keepdims=True) / weights.sum(axis=-1, keepdims=True), targets)


def found(outputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> float:
    """Average precision of the boxes in `scenes`, which `targets` are of, within three quarters of their area."""
    _, boxes, labels = scenes(EXAMPLES, 48, 2)
    return average_precision(fcos.decode(outputs, 48, 8), boxes, labels, iou=0.75)


class Case(NamedTuple):
    """A model and what it learns by heart.

    Args:
        make: Makes the model.
        data: Gives inputs and targets of `EXAMPLES` examples.
        learning_rate: Of Adam.
        everywhere: Whether it is run on JAX and PyTorch, too.
        loss: Of Keras, or a function.
        known: How much of the targets the outputs are, at most 1.
    """

    make: Callable[[], Any]
    data: Callable[[], tuple[Any, Any]]
    learning_rate: float = 3e-3
    everywhere: bool = False
    loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    known: Callable[[Any, Any], float] = right


def labelled(*shape: int, classes: int = 2) -> tuple[Any, Any]:
    """Noise, and a class for each example."""
    draw = np.random.default_rng(0)
    return draw.standard_normal((EXAMPLES, *shape)).astype("float32"), np.arange(EXAMPLES) % classes


def segmented(*shape: int) -> tuple[Any, Any]:
    """Noise with a brighter box in it, and for each pixel whether it is in the box."""
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((EXAMPLES, *shape)).astype("float32") / 4, np.zeros((EXAMPLES, *shape[:-1]), int)
    for image, mask in zip(x, y, strict=True):
        top, left = (8 * draw.integers(0, n // 16 + 1) for n in shape[:2])
        image[top : top + shape[0] // 2, left : left + shape[1] // 2] += 1
        mask[top : top + shape[0] // 2, left : left + shape[1] // 2] = 1
    return x, y


def tagged(*shape: int, classes: int = 3) -> tuple[Any, Any]:
    """Noise in time, and a class for each step."""
    draw = np.random.default_rng(0)
    return draw.standard_normal((EXAMPLES, *shape)).astype("float32"), draw.integers(0, classes, (EXAMPLES, shape[0]))


def summed(*shape: int) -> tuple[Any, Any]:
    """Noise in time, and the sum of its steps."""
    x = np.random.default_rng(0).uniform(-1, 1, (EXAMPLES, *shape)).astype("float32")
    return x, x.sum(axis=1)


def waves(steps: int) -> tuple[Any, Any]:
    """Sums of two sines, and each sample's successor."""
    frequencies, phases = np.random.default_rng(0).uniform(0.05, 0.5, (2, EXAMPLES, 2, 1))
    wave = np.sin(frequencies * np.arange(steps + 1) + 6 * phases).mean(axis=1)[..., None].astype("float32")
    return wave[:, :-1], wave[:, 1:]


def codes(steps: int, classes: int) -> tuple[Any, Any]:
    """Rows of codes that begin differently, and each code's successor."""
    row = (np.arange(steps + 1) ** 2 // 3 + np.arange(EXAMPLES)[:, None]) % classes
    return row[:, :-1].astype("int32"), row[:, 1:]


def spotted(size: int, classes: int, output_stride: int) -> tuple[Any, Any]:
    """Images with rectangles, and what a detector is to say of them."""
    images, boxes, labels = scenes(EXAMPLES, size, classes)
    each = [fcos.targets(b, k, size, classes, output_stride) for b, k in zip(boxes, labels, strict=True)]
    return images, {name: np.stack([targets[name] for targets in each]) for name in fcos.LOSSES}


SMALL_WAVENET = {"rates": (1, 2, 4), "stacks": 2, "skip_filters": 32}

MODELS = {
    "resnet": Case(
        lambda: models.ResNet("resnet_14_small", classes=2, input_shape=(32, 32, 3), output_stride=8, activation=None),
        lambda: labelled(32, 32, 3),
        everywhere=True,
    ),
    "drn": Case(
        lambda: models.DRN("d_22", classes=2, input_shape=(24, 24, 3), channels=(4, 8, 8, 16, 16, 24, 24, 24), activation=None),
        lambda: labelled(24, 24, 3),
    ),
    "dilated net": Case(
        lambda: models.DilatedNet(2, (32, 32, 3), rates=(1, 2), widths=(8, 8, 16, 16, 16, 32), dropout=0.0),
        lambda: segmented(32, 32, 3),
    ),
    "deeplab v3": Case(
        lambda: models.DeepLabV3("resnet_14_small", 2, (32, 32, 3), 4, rates=(1,), filters=32, dropout=0.0),
        lambda: segmented(32, 32, 3),
    ),
    "deeplab v3+": Case(
        lambda: models.DeepLabV3Plus("resnet_14_small", 2, (32, 32, 3), rates=(1,), filters=32, dropout=0.0),
        lambda: segmented(32, 32, 3),
        everywhere=True,
    ),
    "classifier": Case(
        lambda: models.DilatedClassifier((16, 16, 3), 2, (1, 2), depth=1, head="average", dropout=0.0),
        lambda: labelled(16, 16, 3),
        everywhere=True,
        loss=keras.losses.SparseCategoricalCrossentropy(),
    ),
    "detector": Case(
        lambda: models.DilatedDetector("resnet_14_small", 2, (48, 48, 3), output_stride=8, rates=(1, 2), filters=16, depth=1),
        lambda: spotted(48, 2, 8),
        loss=fcos.LOSSES,
        known=found,
    ),
    "splicenet": Case(
        lambda: models.SpliceNet(((3, 1), (5, 2)), input_shape=(30, 4), blocks=1, crop=False), lambda: tagged(30, 4)
    ),
    "tcn": Case(lambda: models.TCN((20, 4), 3, (24,) * 3, 3), lambda: tagged(20, 4), everywhere=True),
    "tcn last": Case(lambda: models.TCN((20, 1), 1, (16,) * 4, output="last"), lambda: summed(20, 1), loss="mse", known=near),
    "wavenet": Case(lambda: models.WaveNet((30,), 16, **SMALL_WAVENET), lambda: codes(30, 16), everywhere=True),
    "wavenet regression": Case(
        lambda: models.WaveNet((60, 1), head="regression", **SMALL_WAVENET), lambda: waves(60), loss="mse", known=near
    ),
    "wavenet logistics": Case(
        lambda: models.WaveNet((60, 1), head="logistics", mixtures=2, **SMALL_WAVENET),
        lambda: waves(60),
        loss=logistic_mixture_loss,
        known=near_means,
    ),
}


@pytest.mark.parametrize("name", [name for name, case in MODELS.items() if TENSORFLOW or case.everywhere])
def test_a_model_learns_eight_examples_by_heart(name):
    case = MODELS[name]
    model, (x, y) = case.make(), case.data()
    model.compile(keras.optimizers.Adam(case.learning_rate), case.loss)
    model.optimizer.build(model.trainable_variables)  # TensorFlow traces a step that makes variables twice
    again = np.tile(np.arange(EXAMPLES), STEPS)  # one long epoch: epochs have a price
    known = [case.known(model.predict(x, verbose=0), y)]
    while len(known) <= ROUNDS and known[-1] <= 0.99:
        model.fit(
            x[again], keras.tree.map_structure(lambda each: each[again], y), batch_size=EXAMPLES, shuffle=False, verbose=0
        )
        known.append(case.known(model.predict(x, verbose=0), y))
    assert known[0] < 0.9, "It knew before."
    assert known[-1] > 0.99, f"After {ROUNDS * STEPS} steps it knows {known}."
