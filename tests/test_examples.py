"""The examples run as a reader would run them, on tiny data, and draw what they promise."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import atrous
import cifar
import shapes

if keras.config.backend() != "tensorflow":
    pytest.skip("one backend is enough", allow_module_level=True)

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Runs an example in this interpreter, for Keras takes seconds to import, and returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def assert_drawn(path: Path) -> None:
    assert len(np.unique(np.asarray(Image.open(path).convert("L")))) > 10, "an empty picture"


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"basic_layer.py", "cifar10_cnn.py", "feature_maps.py"}


def test_basic_layer(tmp_path):
    done = subprocess.run([sys.executable, EXAMPLES / "basic_layer.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows[1:4]] == ["1", "2", "4"]
    assert ["3 × 3" in rows[1], "5 × 5" in rows[2], "9 × 9" in rows[3]] == [True] * 3
    assert all("(1, 28, 28, 1)  10" in row for row in rows[1:4])
    assert_drawn(tmp_path / "basic_layer.png")


def test_cifar10_cnn(example, tmp_path):
    folder = cifar.write(tmp_path / "cifar-10-batches-bin")
    printed = example("cifar10_cnn.py", folder, "--epochs", 2, "--rate", 3)
    assert "dilated        (8, 8, 128)        (34, 34)" in printed
    assert "Test accuracy at rate 3: " in printed
    assert_drawn(tmp_path / "cifar10_cnn.png")


def test_feature_maps(example, tmp_path):
    run = atrous.train(data=shapes.make(tmp_path / "shapes"), epochs=1, rates=(1, 2), quiet=True)
    printed = example("feature_maps.py", run.path, "--image", 2)
    assert "through dilated2: (4, 4, 128)" in printed
    assert "The unit at (2, 2) sees rows and columns ((-7, 26), (-7, 26))" in printed
    assert_drawn(tmp_path / "feature_maps.png")
    assert_drawn(tmp_path / "field.png")
