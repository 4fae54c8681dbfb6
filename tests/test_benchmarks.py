"""The benchmarks measure what they say: the cases, the answers, the turns, the claims."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from benchmarks import claims, measure, report
from benchmarks.answer import Answer, Error
from benchmarks.suite import CASES, QUICK, Case, choose
from benchmarks.worker import Turn, Worker, WorkerError

import oracle
from atrous.ops import native

TINY = (
    Case("tiny", (1, 7, 6, 4), 6, (3, 3), 2),
    Case("tiny-causal", (2, 11, 3), 4, (2,), 4, padding="causal"),
    Case("tiny-strided", (1, 9, 8, 4), 6, (3, 3), 2, stride=2),
    Case("tiny-depthwise", (1, 7, 6, 4), 4, (3, 3), 3, groups=4),
    Case("tiny-transposed", (1, 4, 5, 3), 2, (3, 3), 2, stride=2, transposed=True),
)
needs_native = pytest.mark.skipif(not native.available(), reason="the native core is not installed")


def test_cases_have_names_of_their_own_and_the_table_of_the_field_is_among_them():
    named = {case.name: case for case in CASES}
    assert len(named) == len(CASES)
    assert set(QUICK) <= set(named)
    assert named["aspp33-r18"].weights == (3, 3, 2048, 256)
    assert named["wavenet64-r512"].pads == ((512, 0),)
    assert named["atac15-r8"].output == (4, 60000, 15)
    assert named["depthwise960-r4"].weights == (3, 3, 1, 960)
    assert named["strided-s2-r2"].output == (1, 32, 32, 128)
    assert named["transposed-s2-r2"].output == (1, 64, 64, 64)


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_valid_macs_are_the_products_that_meet_data(case: Case):
    ones = np.ones((case.shape[0], *case.wide, 1)), np.ones((*case.kernel, 1, 1))
    met = oracle.conv(*ones, case.strides, case.rates, case.pads).sum()
    assert case.valid_macs == met * case.channels * case.filters / case.groups
    assert case.valid_macs < case.dense_macs


@needs_native
def test_the_core_counts_the_same_macs():
    from benchmarks.peers.atrous_numpy import geometry

    for case in CASES:
        plan = native.core().plan("forward", geometry(case))
        assert (plan["dense_macs"], plan["valid_macs"]) == (case.dense_macs, case.valid_macs), case.name


def test_choosing_by_pattern_by_tag_and_not_at_all():
    assert [case.name for case in choose(["drn*,atac15-r8"])] == ["drn256-r2", "drn512-r4", "atac15-r8"]
    assert all(case.depthwise for case in choose(["depthwise"]))
    assert choose([]) == list(CASES)
    with pytest.raises(ValueError, match=r"`cases` must match a name or a tag. Received: 'resnet'"):
        choose(["resnet"])


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_answers_are_the_output_and_the_gradients_of_the_sum_of_its_squares(case: Case):
    answer = Answer(case)
    ((y, scale),), ((dx, _), (dw, _)) = answer._forward, answer._training
    assert y.shape == case.output
    assert (abs(y) <= scale).all()
    for position, (gradient, which) in enumerate(((dx, 0), (dw, 1))):
        data = [a.astype("float64") for a in case.data()]
        direction = np.random.default_rng(position).standard_normal(data[which].shape)
        losses = []
        for step in (1e-4, -1e-4):
            moved = list(data)
            moved[which] = data[which] + step * direction
            losses.append(np.square(answer._conv(*moved)).sum())
        assert (losses[0] - losses[1]) / 2e-4 == pytest.approx((gradient * direction).sum(), rel=1e-6)


def test_errors_are_told_and_a_wrong_shape_is_refused():
    case = TINY[0]
    answer = Answer(case)
    ((y, scale),) = answer._forward
    (error,) = answer.errors("forward", (y + 0.5 * scale,))
    assert error == Error(pytest.approx(0.5 * scale.max()), pytest.approx(0.5))
    with pytest.raises(ValueError, match="must have shape"):
        answer.errors("forward", (y[..., :1],))


class FakeWorker:
    """Answers as a process would: right results in half precision if its name says so."""

    turns: ClassVar[list[str]] = []

    def __init__(self, name: str, cores: Any) -> None:
        self.name = name

    def ask(self, order: str, *arguments: Any) -> Any:
        if order == "peak":
            return 1e9
        if order == "time":
            self.turns.append(self.name)
            return Turn([0.001 * len(self.name)] * arguments[0], 1.0)
        if order == "prepare":
            return self._prepare(*arguments)
        return {} if order == "details" else "1.0"

    def _prepare(self, case: Case, direction: str) -> dict[str, Any]:
        if self.name == "onnxruntime" and direction == "training":
            raise WorkerError("has no gradients")
        answer = Answer(case)
        pairs = answer._forward if direction == "forward" else answer._training
        arrays = tuple(pair[0].astype("float16" if self.name == "openvino" else "float32") for pair in pairs)
        return {"variant": "", "seconds": 0.001, "arrays": arrays}

    def stop(self) -> None:
        """Nothing to end."""


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[measure.Session]:
    monkeypatch.setattr(measure, "Worker", FakeWorker)
    FakeWorker.turns = []
    peers = ("atrous_tensorflow", "keras_tensorflow", "onnxruntime", "openvino")
    with measure.Session(peers, (0,), measure.Effort(0.006, 3)) as session:
        yield session


def test_peers_take_turns_and_wrong_results_do_not_count(session: measure.Session):
    run = session.run(TINY[0], "forward", Answer(TINY[0]))
    assert FakeWorker.turns == ["atrous_tensorflow", "keras_tensorflow", "onnxruntime"] * 3
    assert len(run.timings["onnxruntime"].seconds) == 6
    assert run.timings["openvino"].wrong
    assert not run.timings["openvino"].seconds
    assert run.fastest(measure.peers_of([run])) == "onnxruntime"
    assert run.ratio("onnxruntime", "atrous_tensorflow") == pytest.approx(11 / 17)


def test_tables_claims_and_record_say_what_was_measured(session: measure.Session):
    told: list[measure.Run] = []
    runs = measure.measure(session, TINY[:2], ("forward", "training"), told.append)
    assert told == runs
    console = report.console()
    with console.capture() as capture:
        for direction in ("forward", "training"):
            console.print(report.times(runs, direction, "atrous_tensorflow"))
            console.print(report.errors(runs, direction))
    text = capture.get()
    assert "11.000 (0.65)" in text
    assert "wrong" in text
    assert "onnxruntime, training: has no gradients (tiny, tiny-causal)" in report.problems(runs)
    found = {claim.text: claim for claim in claims.claims(runs, measure.peers_of(runs), "atrous_tensorflow")}
    mean = found["forward: over Keras/TF's default, geometric mean"]
    assert mean.measured == pytest.approx(16 / 17)
    assert mean.holds is False
    least = found["forward: over the fastest peer of each case, least"]
    assert least.measured == pytest.approx(11 / 17)
    assert found["forward: never slower than JAX"].holds is None
    recorded = json.loads(json.dumps([report.record(run) for run in runs]))
    assert recorded[0]["timings"]["onnxruntime"]["median"] == pytest.approx(0.011)


def test_the_chart_is_drawn(session: measure.Session, tmp_path: Any):
    from benchmarks import chart

    runs = measure.measure(session, TINY[:2], ("forward", "training"), lambda run: None)
    chart.draw(runs, "atrous_tensorflow", tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_a_peer_that_is_not_installed_says_so():
    worker = Worker("nobody", (0,))
    with pytest.raises(WorkerError, match=r"No module named 'benchmarks.peers.nobody'"):
        worker.ask("version")
    worker.stop()


@needs_native
def test_the_kernels_are_measured_in_a_process_of_their_own():
    with measure.Session(("atrous_numpy",), (0,), measure.Effort(0.01, 3)) as session:
        assert not session.absent
        for case in TINY:
            answer = Answer(case)
            for direction in ("forward", "training"):
                timing = session.run(case, direction, answer).timings["atrous_numpy"]
                assert timing.problem is None
                assert len(timing.seconds) >= 3
                assert timing.details["plans"]["forward"]["valid_macs"] == case.valid_macs
                assert max(error.relative for error in timing.errors) <= oracle.TOLERANCE * oracle.EPSILON["float32"]
