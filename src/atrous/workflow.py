"""`train`, `evaluate`, `predict`: what the command line and Python users call."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Unpack

import keras

from atrous import progress as shown
from atrous import recipes, tasks, training
from atrous.recipes import Options, Recipe
from atrous.run import Config, Run
from atrous.tasks.task import Data, Task

DEFAULT_TASK = next(iter(tasks.TASKS))
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
        task: One of `atrous.tasks.TASKS`; by default "image-classification".
        data: A built-in name or a folder, as the task takes them; for image classification by default "fashion-mnist".
        output: The run folder to make; by default `runs/<data>`, `runs/<data>-2`, … whichever is free.
        resume: A run to go on with. Everything is read from its config; only `epochs` and `learning_rate` may be given beside
            it: a learning rate for the epochs that are left, if the loss was no number any more.
        quiet: Prints one line an epoch instead of a bar; by default when not on a terminal.
        progress: Is told what happens; by default chosen by `quiet`.
        **options: Choices of the task's recipe to replace; see `atrous.tasks.TASKS`. What is missing or `None` stays as
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
    task = task or DEFAULT_TASK
    settled = recipes.find(task, "").replace(given)  # mistakes are found before the data are read
    trained = tasks.find(task)
    source = _source(trained, data)
    dataset = trained.load(source, settled)
    recipe = recipes.find(task, dataset.kind).replace(given)
    run = _create(output, _config(recipe, source, dataset))
    for note in trained.notes(dataset):
        progress.note(note)
    try:
        training.train(run, dataset, progress)
    except ValueError:
        _forget(run)
        raise
    progress.finished(run)
    return run


def evaluate(run: Run | str | Path, data: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Tests a run's model on the test part of its data, or of other data with the same classes.

    Args:
        run: A run, or its folder.
        data: A built-in name or a folder; by default the run's own.
        **options: Of the task.

    Returns:
        What `test.json` holds: `examples`, `loss`, the task's metric and more. Of classifiers `accuracy`, `confusion`
        ([true class][predicted class]) and `classes`: for each name its number of `examples`, `recall` and `precision` (0..1,
        or `None` where nothing was there to count).

    Raises:
        ValueError: The data's classes or channels are not the run's.
        FileNotFoundError: There is no such run or data.
    """
    run = _run(run)
    config = run.config
    task = tasks.find(config.recipe.task)
    dataset = run.load_data() if data is None else task.load(_source(task, data), config.recipe, config)
    facts = task.facts(dataset)
    for name in task.must_agree():
        value = facts[name]
        if value != config.facts[name]:
            raise ValueError(f"`data` must have the run's {name}, {config.facts[name]}. Received: data={data!r} with {value}.")
    return task.evaluate(run.load_model(), dataset.test, config, **options)


def predict(
    run: Run | str | Path, files: str | Path | Iterable[str | Path] = (), *, output: str | Path | None = None, **options: Any
) -> list[Any]:
    """Says what a run's model sees in files.

    Args:
        run: A run, or its folder.
        files: Files, or folders of them; each is brought to the form of the training examples. None, of `forecasting`: the
            run's own data, whose next steps are forecast.
        output: A folder for what is made of them, where the task makes files: masks and overlays of `segmentation`; of
            `forecasting` also the CSV file itself, of `sequence-labelling` a `.bed` or `.tsv` file, or a BED file for each.
        **options: Of the task.

    Returns:
        One prediction a file, in order, as the task has them; of `forecasting` one a series, of `sequence-labelling` one a
        record; what could not be read has an `error`.

    Raises:
        ValueError: There is no file, and the task needs one.
        FileNotFoundError: There is no such run, or a folder has no file of a kind that is looked for.
    """
    run = _run(run)
    given = [Path(file) for file in ([files] if isinstance(files, (str, Path)) else files)]
    task = tasks.find(run.config.recipe.task)
    if not given and not task.goes_on:
        raise ValueError("`files` must be at least one file or folder. Received: none. Name it: atrous predict RUN FILE…")
    return task.predict(run, given, None if output is None else Path(output), **options)


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
    recipe = run.config.recipe
    epochs, rate = given.pop("epochs", recipe.epochs), given.pop("learning_rate", recipe.learning_rate)
    if given:
        raise ValueError(
            "`resume` must come alone or with `epochs` and `learning_rate`: everything else is read from the run. "
            f"Received: {', '.join(given)}."
        )
    if epochs < len(run.metrics):
        raise ValueError(f"`epochs` must be at least {len(run.metrics)}, the epochs done. Received: epochs={epochs}.")
    if rate != recipe.learning_rate and run.finished and epochs <= len(run.metrics):
        raise ValueError(
            f"`learning_rate` must come with more `epochs`: {run.path} is finished. Received: learning_rate={rate}."
        )
    if (epochs, rate) != (recipe.epochs, recipe.learning_rate):
        with run.lock():
            run.extend(epochs, rate)
    if run.finished:
        progress.note(f"{run.path} is finished; to train it longer, give more epochs than {run.config.recipe.epochs}.")
    else:
        if run.config.backend != keras.backend.backend():
            progress.note(f"The run began on {run.config.backend}; its figures will not be the same.")
        training.train(run, run.load_data(), progress)
    progress.finished(run)
    return run


def _config(recipe: Recipe, source: str, dataset: Data) -> Config:
    versions = {name: importlib.metadata.version(name) for name in (*_PACKAGES, keras.backend.backend())}
    return Config(
        recipe=recipe,
        data=source,
        dataset=dataset.name,
        facts=tasks.find(recipe.task).facts(dataset),
        examples=training.examples(dataset),
        backend=keras.backend.backend(),
        versions={"python": platform.python_version(), **versions},
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _create(output: str | Path | None, config: Config) -> Run:
    try:
        return _created(output, config)
    except FileExistsError as error:
        if error.errno is None:  # says itself what to do
            raise
        raise _no_folder(output, error) from error
    except OSError as error:
        raise _no_folder(output, error) from error


def _forget(run: Run) -> None:
    """Takes away the folder of a run whose network could not be made: nothing but the config is in it, and its name is free."""
    if [file.name for file in run.path.iterdir()] == ["config.json"]:
        (run.path / "config.json").unlink()
        run.path.rmdir()


def _no_folder(output: str | Path | None, error: OSError) -> OSError:
    return OSError(
        f"`output` must be a folder that can be written to. Received: output={str(output or RUNS)!r}: "
        f"{error.strerror or error}. Choose another: --output FOLDER"
    )


def _created(output: str | Path | None, config: Config) -> Run:
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


def _source(task: Task[Any], data: str | Path | None) -> str:
    """A built-in name as it is, a folder as an absolute path: a run can be resumed from elsewhere."""
    data = data or task.default_data
    if data is None:
        raise ValueError("`data` must be a folder. Received: data=None. Name it: atrous train TASK --data FOLDER")
    return data if isinstance(data, str) and data in task.built_in else str(Path(data).expanduser().absolute())
