"""A paper's table: what is trained, what is taken as it is, what goes on, what is left out."""

import dataclasses
import json
import sys

import pytest

import rolls
from atrous.cli import main
from atrous.papers import PAPERS, Measured, measure
from atrous.recipes import find
from atrous.run import Config, Run

PAPER = PAPERS["bai2018"]


class Trainer:
    """Stands for `atrous.train`: makes finished runs without training, or stops in the middle of one."""

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def __call__(self, task=None, data=None, *, output=None, resume=None, **options):
        run = resume
        if run is None:
            recipe = find(task, next(row.kind for row in PAPER.rows if output.name.startswith(row.name))).replace(options)
            facts = {"predicted": {}} if task == "music" else {}
            config = Config(
                recipe=recipe,
                data=str(data),
                dataset=task,
                facts=facts,
                examples={},
                backend="none",
                versions={},
                started="2026-11-26T00:00:00+00:00",
            )
            run = Run.create(output, config)
        self.calls.append(run.path.name)
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        run.write_metrics([{"epoch": 1, "loss": 1.0}])
        value = len(run.path.name) / 10
        run.write_test({"mse": value, "loss": value, "nll": value, "recall": 0.5})
        run.report_file.write_text("report")
        return run


@pytest.fixture(autouse=True)
def _no_models(monkeypatch):
    class Model:
        def count_params(self):
            return 12_530

    monkeypatch.setattr(Run, "load_model", lambda self: Model())


def test_the_table_is_the_papers():
    rows = {row.name: row for row in PAPER.rows}
    assert rows["jsb"].published == {"lstm": 8.45, "gru": 8.43, "tcn": 8.10}
    assert rows["nottingham"].published == {"lstm": 3.29, "gru": 3.46, "tcn": 3.07}
    assert rows["copy-1000"].published["tcn"] == 3.5e-5
    assert rows["adding-600"].published["lstm"] == 0.164
    for row in PAPER.rows:
        for network in PAPER.networks:
            for options in ({}, row.quick):
                recipe = find(row.task, row.kind).replace({**row.options, **options, **network.options})
                assert recipe.kind == row.kind
        assert find(row.task, row.kind).replace(dict(row.options)).field >= find(row.task, row.kind).replace(row.options).needs
    assert find("copy-memory", "").replace(rows["copy-1000"].options).tcn_parameters == 12_530
    assert find("adding-problem", "").replace(rows["adding-600"].options).tcn_parameters == 70_369


def test_every_entry_is_a_run_and_what_is_there_is_taken(tmp_path):
    first = Trainer()
    found = list(measure(PAPER, tmp_path, only=["copy-500"], seeds=2, train=first))
    assert first.calls == [f"copy-500-{n}-{seed}" for n in ("lstm", "gru", "tcn", "tcn-rates-1") for seed in (0, 1)]
    assert [each.network for each in found] == ["lstm", "gru", "tcn", "tcn-rates-1"]
    assert found[0].published is None
    assert found[2].ours == (1.4, 1.4)
    assert found[2].mean == pytest.approx(1.4)
    assert found[2].more == {"recall": (0.5, 0.5)}
    assert found[2].epochs == (1, 1)
    again = Trainer()
    assert list(measure(PAPER, tmp_path, only=["copy-500"], seeds=2, train=again)) == found
    assert again.calls == []
    more = Trainer()
    list(measure(PAPER, tmp_path, only=["copy-500"], seeds=3, train=more))
    assert more.calls == [f"copy-500-{n}-2" for n in ("lstm", "gru", "tcn", "tcn-rates-1")]


def test_a_killed_table_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        list(measure(PAPER, tmp_path, only=["adding-200"], train=Trainer(stop_at=2)))
    again = Trainer()
    assert len(list(measure(PAPER, tmp_path, only=["adding-200"], train=again))) == 4
    assert again.calls == ["adding-200-gru-0", "adding-200-tcn-0", "adding-200-tcn-rates-1-0"]


def test_a_run_with_other_options_is_not_taken(tmp_path):
    list(measure(PAPER, tmp_path, only=["copy-500"], quick=True, train=Trainer()))
    with pytest.raises(ValueError, match=r"must be a run of this table. Received: one with other epochs, .*length"):
        list(measure(PAPER, tmp_path, only=["copy-500"], train=Trainer()))


def test_rows_without_data_are_left_out_and_the_table_shows_both(tmp_path, monkeypatch, capsys):
    trainer = Trainer()
    monkeypatch.setattr("atrous.workflow.train", lambda *words, progress, **options: trainer(*words, **options))

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["atrous", "bench-paper", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, *capsys.readouterr()

    code, out, err = command("bai2018", "--output", tmp_path / "runs")
    assert code == 0
    assert "Left out: JSB chorales. It needs a folder with its file: --data FOLDER" in err
    assert "Nottingham" not in out
    assert all(words in out for words in ("arXiv 1803.01271", "copy memory, T = 1000", "3.5e-05", "0.020", "recall", "12,530"))
    assert len(trainer.calls) == 16
    folder = tmp_path / "music"
    folder.mkdir()
    rolls.write(folder / "JSB_Chorales.mat", *[[rolls.roll(9)]] * 3)
    code, out, _ = command("bai2018", "--only", "jsb", "--data", folder, "--output", tmp_path / "runs", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, len(lines)) == (0, 4)
    assert {line["network"]: line["published"] for line in lines}["tcn"] == 8.1
    assert set(lines[0]) == {each.name for each in dataclasses.fields(Measured)}
    for words, message in (
        (["chess2020"], "`paper` must be one of bai2018. Received: paper='chess2020'"),
        (
            ["bai2018", "--only", "jsb,chess"],
            "`only` must be one of adding-200, adding-600, copy-500, copy-1000, jsb, nottingham.",
        ),
    ):
        code, _, err = command(*words, "--output", tmp_path / "other")
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
    trainer.stop_at = len(trainer.calls) + 1
    code, _, err = command("bai2018", "--quick", "--output", tmp_path / "stopped")
    assert code == 130
    assert "Stopped. The same command goes on from the last finished epoch." in err
