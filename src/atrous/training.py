"""The one training loop: a run folder in, trained, tested and reported run out; and what a trained model says of images."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Literal, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import report, tensorboard
from atrous.callbacks import Record, Reseed, Show, load_checkpoint
from atrous.data import Batches, Dataset, Split
from atrous.models import DilatedClassifier
from atrous.progress import Progress
from atrous.run import Config, Run, replacing

_AUGMENTATIONS = {
    "flip": lambda: keras.layers.RandomFlip("horizontal", name="flip", dtype="float32"),
    "shift": lambda: keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="shift", dtype="float32"),
}


def train(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Trains a run from where it stands to its last epoch, then tests it and writes its report.

    Args:
        run: A new run, or one that was interrupted or extended.
        dataset: The run's data.
        progress: Is told what happens.

    Raises:
        ValueError: The data are not those that the run began with.
        BlockingIOError: Another process trains the run.
        FloatingPointError: The loss is no longer a number.
    """
    config = run.config
    _require_same_data(config, dataset)
    with run.lock():
        _be_deterministic()
        model, done = _restore(run)
        rows = run.metrics[:done]
        run.write_metrics(rows)
        progress.begin(run, rows)
        try:
            if not run.is_over(rows):
                _fit(run, model, dataset, progress, rows)
            progress.finishing()
            _finish(run, dataset)
        finally:
            progress.end()


def evaluate(model: keras.Model, split: Split, batch_size: int = 64) -> dict[str, Any]:
    """Tests a classifier.

    Args:
        model: Images → probabilities.
        split: Labelled images.
        batch_size: Images at a time.

    Returns:
        `examples`, `loss` (cross-entropy, mean), `accuracy` (0..1) and `confusion`, [true class][predicted class].
    """
    probabilities = np.asarray(model.predict(Batches(split, batch_size), verbose=0), np.float64)
    labels, predicted = split.labels, probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    confusion = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return {
        "examples": len(labels),
        "loss": float(-np.log(np.maximum(of_truth, keras.config.epsilon())).mean()),
        "accuracy": float((labels == predicted).mean()),
        "confusion": confusion.tolist(),
    }


def predict(model: keras.Model, images: Sequence[NDArray[np.uint8]], batch_size: int = 64) -> NDArray[np.float32]:
    """Returns class probabilities, (n, classes), for n images, each (height, width, channels), 0..255."""
    return np.asarray(model.predict(np.stack(images).astype(np.float32), batch_size=batch_size, verbose=0), np.float32)


def _fit(run: Run, model: keras.Model, dataset: Dataset, progress: Progress, rows: Sequence[dict[str, float]]) -> None:
    config = run.config
    batches = Batches(dataset.train, config.batch_size, shuffle_seed=config.seed)
    record = Record(run, rows)
    callbacks = [Reseed(batches, config.seed), record, Show(progress, record)]
    if tensorboard.available():
        callbacks.append(tensorboard.TensorBoard(run.tensorboard_folder, record.rows))
    else:
        progress.note("No TensorBoard logs: they need Keras on TensorFlow, and tensorboard.")
    model.fit(
        batches,
        validation_data=Batches(dataset.validation, config.batch_size),
        initial_epoch=len(rows),
        epochs=config.epochs,
        callbacks=callbacks,
        shuffle=False,  # or Keras shuffles the batches once more, from Python's global random state
        verbose=0,
    )


def _restore(run: Run) -> tuple[keras.Model, int]:
    """Returns the compiled model, and how many epochs it has had."""
    config = run.config
    last = run.checkpoint("last")
    if not last.exists():
        return _build(config), 0
    model, done = load_checkpoint(last)
    if config.decay != "none":
        model.optimizer.learning_rate = _learning_rate(config)  # the number of epochs may have changed
    return model, done


def _build(config: Config) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    policy = _policy(config)
    model = DilatedClassifier(
        config.image_shape,
        len(config.class_names),
        rates=config.rates,
        depth=config.depth,
        reduction=config.reduction,
        head=None if config.head == "auto" else cast(Literal["flatten", "average"], config.head),
        dropout=config.dropout,
        class_names=config.class_names,
        augmentation=[_AUGMENTATIONS[name]() for name in config.augment],
        dtype=policy,
    )
    optimizer = keras.optimizers.Adam(_learning_rate(config))
    if policy == "mixed_float16":  # small gradients would vanish in its narrow range
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=[config.metric], auto_scale_loss=False)
    return model


def _learning_rate(config: Config) -> float | keras.optimizers.schedules.LearningRateSchedule:
    steps = config.epochs * config.steps
    if config.decay == "cosine":
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    if config.decay == "linear":
        return keras.optimizers.schedules.PolynomialDecay(config.learning_rate, steps, end_learning_rate=0.0)
    return config.learning_rate


def _finish(run: Run, dataset: Dataset) -> None:
    # Without its optimizer, which prediction doesn't need, the file is a third of the size.
    model = keras.models.load_model(run.checkpoint("best"), compile=False)
    with replacing(run.model_file) as temporary:
        model.save(temporary)
    run.write_test(evaluate(model, dataset.test, run.config.batch_size))
    report.write(run)


def _require_same_data(config: Config, dataset: Dataset) -> None:
    found = (dataset.class_names, dataset.image_shape, examples(dataset))
    expected = (config.class_names, config.image_shape, config.examples)
    if found != expected:
        raise ValueError(
            f"`data` must be the same when a run is resumed. Received: data={config.data!r} with {found}, but the run began "
            f"with {expected}. Train a new run, or bring the data back."
        )


def examples(dataset: Dataset) -> dict[str, int]:
    """Returns the number of examples of each part of a data set."""
    return {part: len(getattr(dataset, part)) for part in ("train", "validation", "test")}


def _policy(config: Config) -> str:
    if not config.mixed_precision:
        return "float32"
    return "mixed_float16" if _has_gpu() else "mixed_bfloat16"


def _has_gpu() -> bool:
    backend: Any = importlib.import_module(keras.backend.backend())
    if keras.backend.backend() == "tensorflow":
        return bool(backend.config.list_physical_devices("GPU"))
    if keras.backend.backend() == "jax":
        return bool(backend.default_backend() == "gpu")
    return bool(backend.cuda.is_available())


def _be_deterministic() -> None:
    """Same seed, same figures. TensorFlow's CPU kernels give that as they are; its GPU kernels have to be told."""
    if keras.backend.backend() == "tensorflow" and _has_gpu():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
