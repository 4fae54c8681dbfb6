"""What all tasks have in common."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from atrous import tasks
from atrous.recipes import find
from atrous.report import compare
from atrous.run import Config, Run
from atrous.tasks.recipe import Recipe, option
from atrous.tasks.task import Task
from test_run import config, row

# Written by the version before there were tasks.
OLD = """{
  "name": "fashion-mnist",
  "task": "image-classification",
  "kind": "fashion-mnist",
  "epochs": 12,
  "batch_size": 64,
  "learning_rate": 0.001,
  "decay": "cosine",
  "rates": [2],
  "depth": 2,
  "reduction": 64,
  "head": "auto",
  "dropout": 0.5,
  "augment": ["flip"],
  "mixed_precision": false,
  "early_stopping": 0,
  "seed": 0,
  "image_size": null,
  "metric": "accuracy",
  "data": "fashion-mnist",
  "dataset": "fashion-mnist",
  "class_names": ["T-shirt/top", "Trouser"],
  "image_shape": [28, 28, 1],
  "examples": {"train": 9900, "validation": 1100, "test": 2000},
  "backend": "tensorflow",
  "versions": {"python": "3.11.7"},
  "started": "2026-11-25T14:36:00+00:00"
}
"""


def test_a_run_from_before_there_were_tasks_is_read(tmp_path):
    (tmp_path / "config.json").write_text(OLD)
    found = Run(tmp_path).config
    assert (found.epochs, found.rates, found.augment, found.image_shape) == (12, (2,), ("flip",), (28, 28, 1))
    assert found.command == "atrous train image-classification --data fashion-mnist"
    assert found.steps == 155
    with pytest.raises(AttributeError, match="'Config' object has no attribute 'palette'"):
        _ = found.palette


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_is_found_by_its_name_and_says_what_it_keeps(name):
    task = tasks.find(name)
    assert isinstance(task, Task)
    assert set(task.must_agree()) <= set(tasks.TASKS[name].facts)


def test_an_unknown_task_lists_the_tasks():
    with pytest.raises(ValueError, match="`task` must be one of image-classification, segmentation"):
        tasks.find("chess")


def test_only_finished_runs_of_one_task_are_compared(tmp_path):
    run = Run.create(tmp_path / "run", config())
    other = Run.create(tmp_path / "other", Config(**{**vars(config()), "recipe": find("segmentation", ""), "facts": {}}))
    for runs, message in (
        ([run], "`runs` must be at least two. Received: 1"),
        ([run, other], "`runs` must be of one task. Received: image-classification, segmentation"),
        ([run, run], "`runs` must be finished"),
    ):
        with pytest.raises(ValueError, match=message):
            compare.write(runs, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@dataclass(frozen=True, kw_only=True)
class Forecast(Recipe):
    task: str = "forecast"
    metric: str = "mase"
    horizon: int = option(24, "Steps ahead.")
    lower_is_better: ClassVar[bool] = True


def test_a_recipe_of_another_task_has_its_own_options_and_its_own_better(tmp_path):
    recipe = Forecast(name="any", epochs=3).replace({"horizon": 12, "early_stopping": 2})
    assert (recipe.horizon, "horizon" in recipe.options(), "depth" in recipe.options()) == (12, True, False)
    with pytest.raises(ValueError, match=r"`options` must be one of epochs, .* horizon. Received: options='depth'"):
        recipe.replace({"depth": 1})
    run = Run.create(tmp_path / "run", config())
    run.__dict__["config"] = Config(**{**vars(run.config), "recipe": recipe})
    rows = [{**row(epoch, 0.5), "val_mase": mase} for epoch, mase in enumerate((0.9, 0.8, 0.8, 0.95), 1)]
    assert run.best(rows) is rows[1]
    assert not run.is_over(rows[:2])
    assert run.is_over(rows)
