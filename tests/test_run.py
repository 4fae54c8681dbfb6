import json
import shlex

import pytest

from atrous.recipes import RECIPES
from atrous.run import Config, Run, replacing


def config(**options) -> Config:
    recipe = RECIPES[0].replace(options)
    return Config(
        recipe=recipe,
        data="fashion-mnist",
        dataset="fashion-mnist",
        facts={"class_names": ("a", "b"), "image_shape": (28, 28, 1)},
        examples={"train": 100, "validation": 10, "test": 20},
        backend="tensorflow",
        versions={"python": "3.11"},
        started="2025-01-01T00:00:00+00:00",
    )


def row(epoch: int, accuracy: float) -> dict[str, float]:
    return {
        "epoch": epoch,
        "loss": 0.1 + 0.2,
        "accuracy": accuracy,
        "val_loss": 1e-7,
        "val_accuracy": accuracy,
        "learning_rate": 1e-3,
        "seconds": 1.25,
    }


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", config())


def test_config_is_read_as_it_was_written(tmp_path):
    written = config(rates=(1, 2), image_size=(20, 30), augment=())
    Run.create(tmp_path / "run", written)
    assert Run(str(tmp_path / "run")).config == written


def test_steps_count_the_last_smaller_batch():
    assert config(batch_size=64).steps == 2
    assert config(batch_size=50).steps == 2


def test_command_names_what_differs_from_the_recipe():
    assert config().command == "atrous train image-classification --data fashion-mnist"
    options = {"rates": (1, 2), "augment": (), "mixed_precision": True, "image_size": (20, 30), "decay": "linear"}
    assert shlex.split(config(**options).command)[5:] == [
        *("--decay", "linear", "--mixed-precision", "--rates", "1,2", "--no-augment", "--image-size", "20,30"),
    ]


def test_a_folder_with_something_in_it_is_never_overwritten(tmp_path, run):
    with pytest.raises(FileExistsError, match=r"`output` must be a new or empty folder.*--resume"):
        Run.create(run.path, config())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="`output`"):
        Run.create(tmp_path / "mine", config())
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`run` must be a folder that `atrous train` made"):
        Run(tmp_path)


def test_a_config_of_another_version_is_refused(run):
    values = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps({**values, "momentum": 0.9}))
    with pytest.raises(ValueError, match=r"config.json' must have been written by this version.*momentum"):
        _ = Run(run.path).config


def test_metrics_are_read_as_they_were_written(run):
    assert run.metrics == []
    rows = [row(1, 0.5), row(2, 1 / 3)]
    run.write_metrics(rows)
    assert run.metrics == rows
    header = (run.path / "metrics.csv").read_text().splitlines()[0]
    assert header == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"


def test_best_is_the_first_of_equals(run):
    rows = [row(1, 0.5), row(2, 0.7), row(3, 0.7)]
    assert run.best(rows) is rows[1]
    assert run.best([]) is None


def test_training_is_over_when_epochs_are_done_or_patience_is_out(tmp_path):
    patient = Run.create(tmp_path / "patient", config(epochs=4, early_stopping=2))
    rows = [row(1, 0.5), row(2, 0.7), row(3, 0.6), row(4, 0.6)]
    assert [patient.is_over(rows[:done]) for done in range(5)] == [False, False, False, False, True]
    assert patient.is_over([row(1, 0.5), row(2, 0.4), row(3, 0.4)])


def test_extending_takes_the_result_away(run):
    run.write_test({"accuracy": 0.5})
    for file in (run.model_file, run.report_file):
        file.write_text("old")
    assert run.finished
    run.extend(50)
    assert not run.finished
    assert run.test is None
    assert not run.model_file.exists()
    assert Run(run.path).config == config(epochs=50) == run.config


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("whole")
    with pytest.raises(RuntimeError), replacing(file) as temporary:  # noqa: PT012
        temporary.write_text("ha")
        raise RuntimeError
    assert file.read_text() == "whole"


def test_lock_keeps_others_out_and_clears_leftovers(run):
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / ".writing-last.keras").write_text("half")
    with run.lock():
        assert not list(run.path.rglob(".writing-*"))
        with pytest.raises(BlockingIOError, match="being trained by another process"), Run(run.path).lock():
            pytest.fail("the lock was given twice")
    with run.lock():
        pass


def test_a_model_before_the_first_epoch_says_how_to_get_one(run):
    with pytest.raises(FileNotFoundError, match="atrous train --resume"):
        run.load_model()
