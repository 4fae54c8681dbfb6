import json
import os
import subprocess
import sys

import pytest

import atrous
import shapes
from atrous.cli import main, messages
from atrous.recipes import TASKS
from atrous.run import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shapes.make(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return atrous.train(data=data, output=tmp_path_factory.mktemp("runs") / "run", epochs=1, depth=1, quiet=True)


@pytest.fixture
def command(monkeypatch, capsys):
    """Calls the command; gives its exit code, output and errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return call


BARE = """
import typer
from rich.console import Console
from rich.table import Table
app = typer.Typer()
app.command()(lambda: Console().print(Table()))
app.command("other")(lambda: None)
app(["<lambda>"])
"""
"""The least that a command line of these libraries can be."""


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["recipes"]], ids=" ".join)
def test_help_answers_at_once(words):
    """In less than 2.5 times the processor time of a bare command, which is as slow as this one on a busy machine."""
    script = "import sys; sys.argv[0] = 'atrous'; from atrous.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    script += "print(*sorted({'keras', 'numpy', 'matplotlib', 'tensorflow', 'PIL'} & set(sys.modules)), file=sys.stderr)"

    def call(script, *words) -> tuple[float, str, str]:
        before = os.times()
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return spent, done.stdout, done.stderr

    bare, calls = zip(*((call(BARE), call(script, *words)) for _ in range(4)), strict=True)
    assert "train" in calls[0][1] or "cifar10" in calls[0][1]
    assert calls[0][2].split() == []
    assert 0 < min(seconds for seconds, _, _ in calls) < 2.5 * min(seconds for seconds, _, _ in bare)


def test_train_prints_lines_that_a_machine_can_read(command, data, tmp_path):
    options = ["--epochs=2", "--batch-size=24", "--rates=1,2", "--depth=1", "--no-augment", "--image-size=12", "--seed=1"]
    code, out, err = command("train", "--data", data, "--output", tmp_path / "run", *options)
    assert (code, err) == (0, "")
    lines = [dict(word.split("=") for word in line.split()) for line in out.splitlines()]
    assert [line.get("epoch") for line in lines] == [None, "1", "2", None]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"} < set(lines[1])
    run = Run(tmp_path / "run")
    assert lines[-1]["test_accuracy"] == str(run.test["accuracy"])
    assert lines[-1]["report"] == str(run.report_file)
    config = run.config
    assert (config.rates, config.depth, config.augment, config.image_size, config.seed) == ((1, 2), 1, (), (12, 12), 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "chess"], f"`task` must be one of {', '.join(TASKS)}. Received: task='chess'"),
        (["train", "--data", "minst"], "must be one of fashion-mnist, fashion-mnist-full, cifar10, or a folder"),
        (["train", "--rates", "two"], "`--rates` must be integers with commas between. Received: --rates two"),
        (["train", "--rates", "0"], "`rates` must be a positive integer. Received: rates=0"),
        (["train", "--decay", "slow"], "`decay` must be one of none, linear, cosine, poly. Received: decay='slow'"),
        (
            ["train", "--augment", "flip,mirror"],
            "`augment` must be one of flip, shift, rotate, zoom, colour. Received: augment='mirror'",
        ),
        (["train", "--resume", "nowhere"], "`run` must be a folder that `atrous train` made"),
        (["evaluate", "nowhere"], "`run` must be a folder that `atrous train` made"),
        (["explain", "nowhere"], "`run` must be a folder that `atrous train` made"),
        (["explain", "nowhere.keras"], "`model` must be a .keras file or a run folder. Received: model='nowhere.keras'"),
        (["predict", "nowhere", "x.png"], "`run` must be a folder that `atrous train` made"),
    ],
)
def test_a_mistake_gets_one_sentence(command, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*words)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_mistake_with_debug_has_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["atrous", "--debug", "train", "chess"])
    monkeypatch.setattr(messages, "debug", False)
    with pytest.raises(ValueError, match="`task`"):
        main()


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["atrous", "evaluate", "."])
    monkeypatch.setattr("atrous.workflow.evaluate", lambda *args: json.loads("{"))
    with pytest.raises(json.JSONDecodeError):
        main()


def test_ctrl_c_says_how_to_go_on(command, run, monkeypatch):
    def interrupted(*args, progress, **kwargs):
        progress.run = run
        raise KeyboardInterrupt

    monkeypatch.setattr("atrous.workflow.train", interrupted)
    code, _, err = command("train")
    assert code == 130
    assert err == f"Stopped after 1 epochs. Continue with: atrous train --resume {run.path}\n"


def test_evaluate(command, run):
    code, out, err = command("evaluate", run.path, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["accuracy"] == run.test["accuracy"]
    code, out, err = command("evaluate", run.path)
    assert (code, err) == (0, "")
    assert f"Accuracy {run.test['accuracy']:.4f} on 6 images" in out
    assert all(name in out for name in (*shapes.NAMES, "recall", "precision"))


def test_predict(command, run, data, tmp_path, monkeypatch):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    words = ["predict", run.path, data / "disk" / "0.png", broken, tmp_path / "missing.png", data / "disk" / "1.png"]
    code, out, err = command(*words)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [line.get("class") in shapes.NAMES for line in lines] == [True, False, False, True]
    assert [name in line for name, line in zip(("broken.png", "missing.png"), err.splitlines(), strict=True)] == [True, True]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = command("predict", run.path, data / "disk")
    assert code == 0
    assert "probability" in out
    assert out.count(".png") == 20


def test_explain_shows_every_convolution(command, run):
    code, out, err = command("explain", run.path)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if "×" in line] == ["conv1", "dilated", "reduce"]
    shape = ",".join(map(str, (3, *run.load_model().input_shape[1:])))
    code, out, err = command("explain", run.path / "model.keras", "--input-shape", shape, "--json")
    assert (code, err) == (0, "")
    assert [row["output_shape"][0] for row in json.loads(out)["rows"]] == [3, 3, 3]


def test_recipes_lists_data_and_choices(command):
    code, out, err = command("recipes")
    assert (code, err) == (0, "")
    assert all(word in out for word in ("image-classification", "fashion-mnist", "cifar10", "any folder", "cosine"))
