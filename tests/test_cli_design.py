"""The command `atrous design`, called as typer calls it, and its picture."""

import json
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from atrous.cli.design import register
from atrous.field.designing import design
from atrous.plots.pareto import pareto_front
from atrous.plots.style import FIRST


@pytest.fixture
def command():
    """Calls the command; gives its output."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    register(app)

    def call(*words):
        return CliRunner().invoke(app, ["design", *map(str, words)], catch_exceptions=False).output

    return call


def test_the_table_of_the_page(command):
    out = command(
        *("--receptive-field", 4096, "--rank", 1, "--kernel-size", 3),
        *("--max-params", "200k", "--max-macs", "1G", "--max-layers", 9, "--max-memory", "64M"),
    )
    assert "1, 3, 7, 21, 59, 165, 468, 1324" in out
    assert len([line for line in out.splitlines() if "3 ×8" in line]) == 1


def test_json_is_what_python_gives(command):
    words = ("--receptive-field", "20,300", "--rank", 2, "--kernel-size", "3,5", "--channels", 8, "--input-channels", 3)
    found = json.loads(command(*words, "--input-size", "64,512", "--output-stride", 2, "--json"))
    expected = design((20, 300), 2, (3, 5), channels=8, input_channels=3, input_size=(64, 512), output_stride=2)
    assert [row["cost"]["macs"] for row in found["front"]] == [stack.cost.macs for stack in expected.front]
    assert [row["rates"] for row in found["front"]] == [list(map(list, stack.rates)) for stack in expected.front]
    assert (found["receptive_field"], found["input_size"]) == ([20, 300], [64, 512])


def test_code_is_printed_alone(command):
    out = command("--receptive-field", 100, "--kernel-size", 2, "--causal", "--repeats", 2, "--code", 1)
    assert out == design(100, kernel_size=2, causal=True, repeats=2).front[0].code()
    compile(out, "design", "exec")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--receptive-field", "far"],
            r"`--receptive-field` must be integers with commas between. Received: --receptive-field far",
        ),
        (["--receptive-field", "0"], r"`receptive_field` must be a positive integer"),
        (["--receptive-field", "9", "--max-params", "few"], r"`--max-params` must be a number.*Received: --max-params few"),
        (["--receptive-field", "9", "--max-macs", "inf"], r"`--max-macs` must be a number"),
        (["--receptive-field", "9", "--kernel-size", "3", "--code", "2"], r"`--code` must be a row of the table, 1 to 1"),
        (["--receptive-field", "9", "--plot", "front.doc"], r"`--plot` must name a .png, .svg or .pdf file"),
        (["--receptive-field", "4096", "--max-layers", "2"], r"Enough is max_layers=3 \(1 more\), or receptive_field=961"),
    ],
)
def test_mistakes(command, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        command(*words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["--help"], ["--receptive-field", "4096"], ["--receptive-field", "99", "--json", "--plot", "x.png"]]
)
def test_keras_is_never_imported(words, tmp_path):
    script = """
import sys; sys.argv[0] = "atrous"
import typer
from atrous.cli.design import register
app = typer.Typer()
app.callback()(lambda: None)
register(app)
try: app()
except SystemExit: pass
print(*sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)), file=sys.stderr)
if "--help" in sys.argv: print(*sorted({"numpy", "matplotlib"} & set(sys.modules)), file=sys.stderr)
"""
    call = [sys.executable, "-c", script, "design", *words]
    done = subprocess.run(call, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.split() == []
    assert "receptive" in done.stdout or "positions" in done.stdout


def test_the_picture_is_written(command, tmp_path):
    command("--receptive-field", 512, "--plot", tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_holds_every_point_and_leads_along_the_best(tmp_path):
    x, y = [2, 3, 4, 5], [9.0, 4.0, 6.0, 1.0]
    (axes,) = pareto_front(x, {"parameters": y}, xlabel="layers")
    line, best, others = axes.lines
    assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == [(2, 9), (3, 4), (5, 1)]
    assert best.get_xdata().tolist() == [2, 3, 5]
    assert others.get_ydata().tolist() == [6]
    assert best.get_markerfacecolor() == FIRST != others.get_markerfacecolor()  # apart without colour: full and hollow
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4"]
    assert (axes.get_xlabel(), axes.get_title(loc="left")) == ("layers", "parameters")
    axes.figure.savefig(tmp_path / "front.svg")


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [1.0, 1e9], [3.0] * 12, [3.0] * 30])
def test_the_picture_takes_any_numbers_and_labels_do_not_overlap(values, tmp_path):
    axes = pareto_front([3] * len(values), {"a": values, "b": values}, xlabel="layers")
    axes[0].figure.savefig(tmp_path / "front.svg")
    heights = np.sort([text.xy[1] for text in axes[1].texts])
    assert len(heights) == len(values)
    assert (np.diff(heights) > (0.05 if len(values) < 15 else 0.03)).all()


@pytest.mark.parametrize(("x", "costs"), [([], {"a": []}), ([1], {}), ([1, 2], {"a": [1]})])
def test_the_picture_refuses_what_does_not_fit(x, costs):
    with pytest.raises(ValueError, match=r"`costs` must hold one value for each point of `x`"):
        pareto_front(x, costs, xlabel="layers")
