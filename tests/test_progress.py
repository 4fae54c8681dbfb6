import io
import shlex

import pytest
from rich.console import Console

from atrous import progress
from atrous.run import Run
from test_run import config, row


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "my run", config(epochs=3, batch_size=10))
    run.write_test({"examples": 1234, "loss": 0.25, "accuracy": 0.875})
    return run


def show(shown: progress.Progress, run: Run) -> None:
    shown.begin(run, [row(1, 0.5)])
    for step in range(1, 11):
        shown.step(2, step, {"loss": 0.5, "accuracy": 0.75})
    shown.epoch(row(2, 0.625), best=True)
    shown.note("By the way")
    shown.finishing()
    shown.end()
    shown.finished(run)


def test_lines_can_be_read_by_a_machine(run, capsys):
    show(progress.Progress(), run)
    lines = [dict(word.split("=", 1) for word in shlex.split(line)) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"run": str(run.path), "epochs": "3", "done": "1"}
    assert {name: float(value) for name, value in lines[1].items()} == row(2, 0.625)
    assert lines[2] == {"note": "By the way"}
    assert lines[3] == {"test_loss": "0.25", "test_accuracy": "0.875", "report": str(run.report_file)}


def test_a_terminal_shows_a_bar_and_a_table(run):
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    show(progress.Terminal(console), run)
    text = console.file.getvalue()
    assert "fashion-mnist: 100 images of 28×28×1, 2 classes" in text
    assert "epoch      loss  accuracy   val. loss val. accuracy        time" in text
    assert "    2    0.3000    0.6250      0.0000        0.6250 ★     1.2 s" in text
    assert "step 10/10 loss 0.5000  accuracy 0.7500" in text
    assert "Test accuracy 0.8750 on 1,234 images (loss 0.2500)" in text
    assert f"Report: {run.report_file}" in text


def test_lines_unless_on_a_terminal(capsys):
    assert type(progress.choose()) is progress.Progress
    assert type(progress.choose(quiet=True)) is progress.Progress
    assert type(progress.choose(quiet=False)) is progress.Terminal
