"""The table of models: what it says is true, and the page says the same."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path

import keras
import pytest

from atrous import models
from atrous.cli import main
from atrous.models import table

ROOT = Path(__file__).parents[1]
PUBLISHED = {  # torchvision's documentation of its weights: parameters, and multiply-adds in units of 10⁹
    "resnet_18": (11_689_512, 1.81),
    "resnet_34": (21_797_672, 3.66),
    "resnet_50": (25_557_032, 4.09),
    "resnet_101": (44_549_160, 7.80),
}


@pytest.fixture(scope="module")
def rows():
    found = list(table.rows())
    keras.utils.clear_session()
    return found


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("models_table", ROOT / "tools" / "models_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_model_is_in_it():
    makers = {getattr(models, name) for name in models.__all__ if name[0].isupper()}
    assert {entry.make for entry in table.ENTRIES} == makers


@pytest.mark.parametrize("variant", PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(rows, variant):
    row = next(row for row in rows if row.name == f'ResNet("{variant}")')
    parameters, billions = PUBLISHED[variant]
    assert row.parameters == parameters
    assert row.macs == pytest.approx(billions * 1e9, abs=0.005e9)
    assert row.valid_macs < row.macs


def test_fields_and_strides_are_the_known_ones(rows):
    found = {row.name: (row.receptive_field, row.sees_all, row.output_stride) for row in rows}
    assert found['ResNet("resnet_50")'] == ((427, 427), False, 32)
    assert found['ResNet("resnet_50", output_stride=8)'] == ((427, 427), False, 8)
    assert found["WaveNet(stacks=3)"] == ((3 * 1023 + 1,), False, 1)
    assert found['SpliceNet("10k")'] == ((10_001,), False, 1)
    assert [name for name, (_, sees_all, _) in found.items() if sees_all] == [
        name for name in found if name.startswith(("DeepLab", "DilatedDetector"))
    ]


def test_names_are_code(rows):
    for row, entry in zip(rows, table.ENTRIES, strict=True):
        assert row.name == entry.name
        call = compile(row.name, "name", "eval")
        assert set(call.co_names) == {entry.make.__name__}
        known = set(inspect.signature(entry.make).parameters)
        assert known >= set(entry.arguments)


def test_the_page_is_up_to_date(rows, tool):
    """If not: `python tools/models_table.py`."""
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.replaced(page, tool.lines(table.COLUMNS, [row.texts() for row in rows])) == page


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_command_prints_each(monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["atrous", "models", *words])
    monkeypatch.setattr(table, "ENTRIES", table.ENTRIES[:2])
    with pytest.raises(SystemExit) as exit_:
        main()
    printed = capsys.readouterr().out
    assert exit_.value.code == 0
    if words:
        first, second = map(json.loads, printed.splitlines())
        assert first["name"] == "DilatedClassifier(classes=10)"
        assert (second["parameters"], second["receptive_field"]) == (807_864, [387, 387])
    else:
        assert "DilatedClassifier(classes=10)" in printed
        assert "807,864" in printed
        assert "387" in printed


@pytest.mark.parametrize(
    ("count", "said"), [(999, "999"), (1000, "1.00 k"), (12_345, "12.3 k"), (4_089_000_000, "4.09 G"), (10**14, "100 T")]
)
def test_large_numbers_have_three_digits_and_a_unit(count, said):
    assert table._short(count) == said
