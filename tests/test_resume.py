"""A run that was killed, at any instant, ends like one that was not."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import atrous
import shapes
from atrous.run import Run, replacing

# Everything that has a state: dropout is on by default.
OPTIONS = {"epochs": 3, "batch_size": 8, "augment": ("flip", "shift"), "decay": "cosine", "depth": 1, "seed": 3}


@pytest.fixture(scope="module", autouse=True)
def plain_report():
    """A report takes as long as the rest of a small run, and has tests of its own."""

    def write(run):
        with replacing(run.report_file) as file:
            file.write_text("report")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atrous.report.write", write)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shapes.make(tmp_path_factory.mktemp("data") / "shapes")


# A file and the how manieth time it is written.
INSTANTS = {
    "no checkpoint yet": ("last.keras", 1),
    "first best": ("best.keras", 1),
    "second epoch's checkpoint": ("last.keras", 2),
    "report": ("report.html", 1),
}


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """A folder for each instant: the run's folder as a kill leaves it, when all is written but not yet renamed."""
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def uninterrupted(data, kills, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    written, rename = [], os.replace

    def replace(source, target):
        written.append(target.name)
        for instant, (name, time_) in INSTANTS.items():
            if name == target.name and written.count(name) == time_:
                shutil.copytree(folder, kills / instant)
        rename(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        return atrous.train(data=data, output=folder, quiet=True, **OPTIONS)


def assert_same(run: Run, other: Run) -> None:
    def figures(rows):
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    assert figures(run.metrics) == figures(other.metrics)
    assert run.test == other.test
    for weight, expected in zip(run.load_model().get_weights(), other.load_model().get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert run.finished
    assert not list(run.path.rglob(".writing-*"))


STOP_IN_EPOCH_2 = """
import sys, time
from atrous.cli import main
from atrous.progress import Progress

def step(self, epoch, step, means):
    if (epoch, step) == (2, 3):
        print("in the middle", flush=True)
        time.sleep(600)

Progress.step = step
sys.argv[0] = "atrous"
main()
"""


def test_killed_in_the_middle_of_an_epoch(data, uninterrupted, tmp_path):
    folder = tmp_path / "run"
    options = ["--epochs=3", "--batch-size=8", "--augment=flip,shift", "--decay=cosine", "--depth=1", "--seed=3"]
    command = [sys.executable, "-c", STOP_IN_EPOCH_2, "train", "--data", str(data), "--output", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line == "in the middle\n":
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    run = Run(folder)
    assert not run.finished
    assert [row["epoch"] for row in run.metrics] == [1]
    assert_same(atrous.train(resume=folder, quiet=True), uninterrupted)


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_while_writing(instant, uninterrupted, kills, tmp_path):
    folder = shutil.copytree(kills / instant, tmp_path / "run")
    assert list(folder.rglob(".writing-*"))
    assert_same(atrous.train(resume=folder, quiet=True), uninterrupted)


def test_finished_run_is_left_alone(uninterrupted, capsys):
    before = {file: file.stat().st_mtime_ns for file in uninterrupted.path.rglob("*")}
    capsys.readouterr()
    atrous.train(resume=uninterrupted, quiet=True)
    assert "is finished; to train it longer, give more epochs than 3" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in uninterrupted.path.rglob("*")}


def test_extended_run_equals_a_long_one(data, tmp_path):
    options = {**OPTIONS, "decay": "none", "epochs": 2}
    long = atrous.train(data=data, output=tmp_path / "long", quiet=True, **options)
    short = atrous.train(data=data, output=tmp_path / "short", quiet=True, **{**options, "epochs": 1})
    assert short.finished
    assert_same(atrous.train(resume=short, epochs=2, quiet=True), long)
    assert Run(short.path).config.epochs == 2
    with pytest.raises(ValueError, match=r"`epochs` must be at least 2, the epochs done. Received: epochs=1"):
        atrous.train(resume=short, epochs=1)


def test_one_process_a_run(data, tmp_path, monkeypatch):
    run = interrupted(data, tmp_path / "run", monkeypatch)
    with run.lock(), pytest.raises(BlockingIOError, match="being trained by another process"):
        atrous.train(resume=run, quiet=True)


def test_other_data_are_refused(tmp_path, monkeypatch):
    data = shapes.make(tmp_path / "shapes")
    run = interrupted(data, tmp_path / "run", monkeypatch)
    (data / "disk" / "0.png").unlink()
    with pytest.raises(ValueError, match="`data` must be the same when a run is resumed"):
        atrous.train(resume=run, quiet=True)


def test_nothing_but_epochs_beside_resume(uninterrupted):
    with pytest.raises(
        ValueError, match=r"`resume` must come alone or with `epochs` and `learning_rate`.*Received: data, rates"
    ):
        atrous.train(resume=uninterrupted, data="cifar10", rates=(4,))


class Killed(BaseException):
    """Leaves the files as a kill would: nothing of ours catches it."""


def interrupted(data, folder, monkeypatch) -> Run:
    def killed(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("atrous.training._fit", killed)
        with pytest.raises(Killed):
            atrous.train(data=data, output=folder, quiet=True, **OPTIONS)
    return Run(folder)
