"""`train`, `evaluate`, `predict`: what the command line and Python users call."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np

from atrous import data as sources
from atrous import progress as shown
from atrous import recipes, training
from atrous.data import Dataset
from atrous.data.images import EXTENSIONS
from atrous.recipes import Options, Recipe
from atrous.recipes.recipe import parse_choice
from atrous.run import Config, Run

DEFAULT_TASK = "image-classification"
DEFAULT_DATA = "fashion-mnist"
RUNS = Path("runs")
_PACKAGES = ("atrous", "keras", "numpy")


def train(
    task: str | None = None,
    data: str | Path | None = None,
    *,
    output: str | Path | None = None,
    resume: Run | str | Path | None = None,
    quiet: bool | None = None,
    progress: shown.Progress | None = None,
    **options: Unpack[Options],
) -> Run:
    """Trains a dilated network on a data set, or goes on with a run.

    Example:
        run = atrous.train(data="photos/", rates=(2, 4), epochs=10)
        run.test["accuracy"], run.report_file

    Args:
        task: One of `atrous.recipes.TASKS`; by default "image-classification".
        data: A built-in name or a folder, see `atrous.data.load`; by default "fashion-mnist".
        output: The run folder to make; by default `runs/<data>`, `runs/<data>-2`, … whichever is free.
        resume: A run to go on with. Everything is read from its config; only `epochs` may be given beside it.
        quiet: Prints one line an epoch instead of a bar; by default when not on a terminal.
        progress: Is told what happens; by default chosen by `quiet`.
        **options: Choices of the recipe to replace; see `atrous.recipes.Recipe`. What is missing or `None` stays as
            the recipe for the task and data has it.

    Returns:
        The run: its metrics, test result, model and report.

    Raises:
        ValueError: An argument breaks its rule, or the data are damaged.
        FileNotFoundError: There are no such data, or no such run.
        FileExistsError: The output folder holds something.
    """
    progress = progress or shown.choose(quiet)
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if resume is not None:
        others = {"task": task, "data": data, "output": output, **given}
        return _resume(resume, {name: value for name, value in others.items() if value is not None}, progress)
    task, source = task or DEFAULT_TASK, _source(data or DEFAULT_DATA)
    parse_choice("task", task, recipes.TASKS)
    settled = recipes.find(task, "").replace(given)  # mistakes are found before the data are read
    dataset = sources.load(source, seed=settled.seed, image_size=settled.image_size)
    recipe = recipes.find(task, dataset.kind).replace(given)
    run = _create(output, _config(recipe, source, dataset))
    training.train(run, dataset, progress)
    progress.finished(run)
    return run


def evaluate(run: Run | str | Path, data: str | Path | None = None) -> dict[str, Any]:
    """Tests a run's model on the test part of its data, or of other data with the same classes.

    Args:
        run: A run, or its folder.
        data: A built-in name or a folder; by default the run's own.

    Returns:
        `examples`, `loss`, `accuracy`, `confusion` ([true class][predicted class]) and `classes`: for each name its
        number of `examples`, `recall` and `precision` (0..1, or `None` where nothing was there to count).

    Raises:
        ValueError: The data's classes or channels are not the run's.
        FileNotFoundError: There is no such run or data.
    """
    run = _run(run)
    config = run.config
    dataset = run.load_data() if data is None else sources.load(_source(data), config.seed, config.image_shape[:2])
    for name in ("class_names", "image_shape"):
        if getattr(dataset, name) != getattr(config, name):
            raise ValueError(
                f"`data` must have the run's {name}, {getattr(config, name)}. Received: data={data!r} with "
                f"{getattr(dataset, name)}."
            )
    result = training.evaluate(run.load_model(), dataset.test, config.batch_size)
    return {**result, "classes": _per_class(config.class_names, np.asarray(result["confusion"]))}


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        file: The image.
        class_name: The most probable class; `None` if the image could not be read.
        probability: Of that class, 0..1.
        error: Why the image could not be read.
    """

    file: str
    class_name: str | None = None
    probability: float | None = None
    error: str | None = None


def predict(run: Run | str | Path, images: str | Path | Iterable[str | Path]) -> list[Prediction]:
    """Classifies image files.

    Args:
        run: A run, or its folder.
        images: Image files, or folders of them; each image is brought to the run's size and channels as in training.

    Returns:
        One prediction an image, in order; an image that could not be read has an `error` and no class.

    Raises:
        FileNotFoundError: There is no such run, or a folder has no image.
    """
    run = _run(run)
    config = run.config
    model = run.load_model()
    files = _image_files([images] if isinstance(images, (str, Path)) else images)
    predictions: list[Prediction] = []
    for start in range(0, len(files), config.batch_size):
        predictions += _predict_batch(model, config, files[start : start + config.batch_size])
    return predictions


def load_model(source: str | Path) -> keras.Model:
    """Loads the model in a `.keras` file or of a run folder, or makes one of `keras.applications`, with random weights.

    Raises:
        ValueError: There is no such file or name, or the folder holds no trained model.
    """
    path = Path(source)
    published = getattr(keras.applications, str(source), None)
    if callable(published) and not path.exists():
        return published(weights=None)
    meant = [name for name in dir(keras.applications) if name[0].isupper() and name.lower() == str(source).lower()]
    if meant and not path.exists():
        raise ValueError(f"`model` must be written as keras.applications does, {meant[0]}. Received: model={str(source)!r}.")
    if path.suffix != ".keras" and not path.is_file():
        return _run(source).load_model()
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(f"`model` must be a .keras file or a run folder. Received: model={str(source)!r}.")
    return keras.models.load_model(source, compile=False)


def _resume(resume: Run | str | Path, given: dict[str, Any], progress: shown.Progress) -> Run:
    run = _run(resume)
    epochs = given.pop("epochs", run.config.epochs)
    if given:
        raise ValueError(
            f"`resume` must come alone or with `epochs`: everything else is read from the run. Received: {', '.join(given)}."
        )
    if epochs < len(run.metrics):
        raise ValueError(f"`epochs` must be at least {len(run.metrics)}, the epochs done. Received: epochs={epochs}.")
    if epochs != run.config.epochs:
        with run.lock():
            run.extend(epochs)
    if run.finished:
        progress.note(f"{run.path} is finished; to train it longer, give more epochs than {run.config.epochs}.")
    else:
        if run.config.backend != keras.backend.backend():
            progress.note(f"The run began on {run.config.backend}; its figures will not be the same.")
        training.train(run, run.load_data(), progress)
    progress.finished(run)
    return run


def _config(recipe: Recipe, source: str, dataset: Dataset) -> Config:
    versions = {name: importlib.metadata.version(name) for name in (*_PACKAGES, keras.backend.backend())}
    return Config(
        **{field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)},
        data=source,
        dataset=dataset.name,
        class_names=dataset.class_names,
        image_shape=dataset.image_shape,
        examples=training.examples(dataset),
        backend=keras.backend.backend(),
        versions={"python": platform.python_version(), **versions},
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _create(output: str | Path | None, config: Config) -> Run:
    if output is not None:
        return Run.create(Path(output), config)
    number = 1
    while True:
        folder = RUNS / (config.dataset if number == 1 else f"{config.dataset}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return Run.create(folder, config)


def _run(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else Run(run)


def _source(data: str | Path) -> str:
    """A built-in name as it is, a folder as an absolute path: a run can be resumed from elsewhere."""
    return data if isinstance(data, str) and data in sources.BUILT_IN else str(Path(data).expanduser().absolute())


def _per_class(class_names: tuple[str, ...], confusion: Any) -> dict[str, dict[str, Any]]:
    def share(hits: int, total: int) -> float | None:
        return float(hits / total) if total else None

    columns = zip(class_names, confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0), strict=True)
    return {
        name: {"examples": int(true), "recall": share(hits, true), "precision": share(hits, predicted)}
        for name, hits, true, predicted in columns
    }


def _image_files(images: Iterable[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, images):
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        if not found:
            raise FileNotFoundError(f"`images` must be image files, or folders of them. Received: {str(path)!r}, without any.")
        files += found
    return files


def _predict_batch(model: keras.Model, config: Config, files: list[Path]) -> list[Prediction]:
    read: dict[Path, Any] = {}
    errors: dict[Path, str] = {}
    for file in files:
        try:
            read[file] = sources.read_image(file, config.image_shape)
        except ValueError as error:
            errors[file] = str(error)
        except OSError as error:
            errors[file] = f"`images` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
    rows = dict(zip(read, training.predict(model, list(read.values())), strict=True)) if read else {}
    return [
        Prediction(str(file), error=errors[file])
        if file in errors
        else Prediction(str(file), config.class_names[rows[file].argmax()], float(rows[file].max()))
        for file in files
    ]
