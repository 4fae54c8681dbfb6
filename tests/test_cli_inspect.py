"""The command `atrous inspect`, and numbers as people type them."""

import json
import sys

import keras
import pytest
from keras import layers

from atrous.cli import main
from atrous.cli.words import integers, size_in_bytes


@pytest.fixture
def command(monkeypatch, capsys):
    """Calls the command; gives its exit code, output and errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "120")
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    convolutions = [layers.Conv2D(2, 3, dilation_rate=2, padding="same", name=f"conv{i}") for i in range(3)]
    path = tmp_path_factory.mktemp("models") / "gridded.keras"
    keras.Sequential([keras.Input((20, 24, 3), name="photo"), *convolutions]).save(path)
    return path


def test_a_table_and_the_warnings(command, model):
    code, out, err = command("inspect", model, "--object-size=30")
    assert (code, err) == (0, "")
    assert "what an output position sees of 'photo'" in out
    field, cost = out.split("• An output sees")
    for table, column in ((field, "2"), (cost, "20×24×2")):
        rows = [line.split()[:3] for line in table.splitlines() if line.strip().startswith("conv")]
        assert rows == [[f"conv{i}", "Conv2D", column] for i in range(3)]
    assert "13×13" in out
    assert "rates (1, 2, 3) in place of (2, 2, 2)" in " ".join(out.split())
    assert "smaller than the object, 30×30" in " ".join(out.split())


def test_json_is_all_that_is_printed(command, model):
    code, out, _ = command("inspect", model, "--json", "--verify")
    facts = json.loads(out)
    assert code == 0
    assert facts["output"]["size"] == [13, 13]
    assert facts["verified"] is True
    assert facts["budget"]["parameters"] == 3 * 3 * 3 * 2 + 2 + 2 * (3 * 3 * 2 * 2 + 2)


def test_published_networks_by_name(command):
    code, out, _ = command("inspect", "VGG16", "--json")
    assert code == 0
    assert json.loads(out)["features"]["size"] == [212, 212]


def test_pictures(command, model, tmp_path):
    code, out, _ = command("inspect", model, "--plots", tmp_path / "new")
    assert code == 0
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["coverage.png", "field.png", "memory.png"]
    assert "coverage.png" in out


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["nothing"], "`run` must be a folder that `atrous train` made"),
        (["nothing.keras"], "`model` must be a .keras file or a run folder"),
        (["resnet50"], "`model` must be written as keras.applications does, ResNet50"),
        (["VGG16", "--ram", "lots"], "`--ram` must be a positive number of bytes"),
    ],
)
def test_what_cannot_be_inspected_is_refused_before_anything_is_printed(command, words, answer):
    code, out, err = command("inspect", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert answer in err


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("8G", 2**33), ("1.5m", 3 * 2**19), ("512MiB", 2**29), ("2 kb", 2048)]
)
def test_sizes_in_bytes(text, size):
    assert size_in_bytes("ram", text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "much", "nan", "inf", "0"])
def test_sizes_that_are_none(text):
    with pytest.raises(ValueError, match="`--ram` must be a positive number of bytes"):
        size_in_bytes("ram", text)


def test_integers_that_are_none():
    with pytest.raises(ValueError, match="`--input-shape` must be integers with commas between"):
        integers("input_shape", "3,x")
