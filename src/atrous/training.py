"""The one training loop, of any task: a run folder in, trained, tested and reported run out."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import keras

from atrous import report, tasks, tensorboard
from atrous.callbacks import Record, Reseed, Show, Validate, load_checkpoint
from atrous.data.feeding import feed, reading
from atrous.progress import Progress
from atrous.run import Config, Run, replacing
from atrous.tasks.task import Data


def train(run: Run, dataset: Data, progress: Progress) -> None:
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


def _fit(run: Run, model: keras.Model, dataset: Data, progress: Progress, rows: Sequence[dict[str, float]]) -> None:
    config = run.config
    task = tasks.find(config.recipe.task)
    batches = task.batches(dataset.train, config)
    record = Record(run, rows)
    validate = Validate(lambda model: task.evaluate(model, dataset.validation, config))
    callbacks = [Reseed(batches, config.recipe.seed), validate, record, Show(progress, record)]
    if tensorboard.available():
        callbacks.append(tensorboard.TensorBoard(run.tensorboard_folder, record.rows))
    else:
        progress.note("No TensorBoard logs: they need Keras on TensorFlow, and tensorboard.")
    with reading(batches):
        model.fit(
            feed(batches),
            initial_epoch=len(rows),
            epochs=config.recipe.epochs,
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
    tasks.find(config.recipe.task)  # Keras must know the task's losses before it can load one
    model, done = load_checkpoint(last)
    model.optimizer.learning_rate = _learning_rate(config)  # it may be another, or the number of epochs that it falls in
    return model, done


def _build(config: Config) -> keras.Model:
    keras.utils.set_random_seed(config.recipe.seed)
    policy = _policy(config)
    task = tasks.find(config.recipe.task)
    model = task.build(config, policy)
    clip = getattr(config.recipe, "clip", 0)  # of tasks that let choose it
    optimizer = keras.optimizers.Adam(_learning_rate(config), global_clipnorm=clip or None)
    if policy == "mixed_float16":  # small gradients would vanish in its narrow range
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, **task.measures(config), auto_scale_loss=False)
    optimizer.build(model.trainable_variables)  # TensorFlow traces a step that makes variables twice
    return model


def _learning_rate(config: Config) -> float | keras.optimizers.schedules.LearningRateSchedule:
    recipe = config.recipe
    steps = recipe.epochs * config.steps
    if recipe.decay == "cosine":
        return keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    if recipe.decay == "none":
        return recipe.learning_rate
    power = {"linear": 1.0, "poly": 0.9}[recipe.decay]
    return keras.optimizers.schedules.PolynomialDecay(recipe.learning_rate, steps, end_learning_rate=0.0, power=power)


def _finish(run: Run, dataset: Data) -> None:
    # Without its optimizer, which prediction doesn't need, the file is a third of the size.
    model = keras.models.load_model(run.checkpoint("best"), compile=False)
    with replacing(run.model_file) as temporary:
        model.save(temporary)
    run.write_test(tasks.find(run.config.recipe.task).evaluate(model, dataset.test, run.config))
    report.write(run)


def _require_same_data(config: Config, dataset: Data) -> None:
    found = {**tasks.find(config.recipe.task).facts(dataset), "examples": examples(dataset)}
    expected = {**config.facts, "examples": config.examples}  # a run of an earlier version may have fewer facts
    changed = {name: value for name, value in expected.items() if found.get(name) != value}
    if changed:
        raise ValueError(
            f"`data` must be the same when a run is resumed. Received: data={config.data!r} with "
            f"{ {name: found.get(name) for name in changed} }, but the run began with {changed}. "
            "Train a new run, or bring the data back."
        )


def examples(dataset: Data) -> dict[str, int]:
    """Returns the number of examples of each part of a data set."""
    return {part: len(getattr(dataset, part)) for part in ("train", "validation", "test")}


def _policy(config: Config) -> str:
    if not config.recipe.mixed_precision:
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
