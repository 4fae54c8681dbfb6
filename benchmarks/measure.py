"""Takes turns: in every case A B C, A B C …, one process at a time, so that what the machine does meets all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.answer import Answer, Error
from benchmarks.peers import OURS
from benchmarks.suite import Case, oracle
from benchmarks.worker import Worker, WorkerError

WRONG = {"forward": 8 * oracle.TOLERANCE * oracle.EPSILON["float32"], "training": 1e-4}
"""Error relative to Σ|x||w| above which a result is wrong, or of another precision, and its time doesn't count.

Gradients sum over up to 240,000 positions, which some peers do one after the other.
"""

ONE_THREAD = "one thread"
"""Name of the lane that runs this library on one core beside runs on all cores."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        seconds: Aimed at for each case and peer.
        rounds: Turns of each peer: at least so many calls are timed, fewer only of calls longer than a second.
    """

    seconds: float = 0.7
    rounds: int = 5

    def turns(self, call: float) -> int:
        """Turns of a peer whose call takes `call` seconds."""
        return self.rounds if call < 1 else min(self.rounds, 3) if call < 4 else 1

    def calls(self, call: float) -> int:
        """Calls in one turn."""
        return max(1, min(100, round(self.seconds / self.rounds / call)))


@dataclass
class Timing:
    """What one peer did with one case: its times, or the problem that kept it from having any."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    variant: str = ""
    errors: tuple[Error, ...] = ()
    problem: str | None = None
    wrong: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        """Seconds."""
        return min(self.seconds)


@dataclass
class Run:
    """One case in one direction: what every peer did with it, and the peak before and after, in multiply-adds a second."""

    case: Case
    direction: str
    cores: tuple[int, ...]
    peaks: tuple[float, ...]
    timings: dict[str, Timing]

    @property
    def macs(self) -> float:
        """Multiply-adds that meet data: of the output, and in training of both gradients too."""
        return self.case.valid_macs * (3 if self.direction == "training" else 1)

    def seconds(self, peer: str) -> float | None:
        """Median of a peer, if it has one."""
        timing = self.timings.get(peer)
        return timing.median if timing and timing.seconds else None

    def ratio(self, peer: str, ours: str) -> float | None:
        """How many times as long as ours a peer takes."""
        theirs, mine = self.seconds(peer), self.seconds(ours)
        return theirs / mine if theirs and mine else None

    def fastest(self, peers: Iterable[str]) -> str | None:
        """The fastest of some peers that has a time."""
        times = {peer: seconds for peer in peers if (seconds := self.seconds(peer))}
        return min(times, key=lambda peer: times[peer], default=None)


class Session:
    """Workers that measure case after case. Use it as a context: they end with it.

    Args:
        peers: Names of the peers, in the order of their turns.
        cores: Cores that each of them may use.
        effort: How long to measure.
        one_thread: Name of the peer that runs on the first core too, beside runs on several cores.
    """

    def __init__(self, peers: Sequence[str], cores: Sequence[int], effort: Effort, one_thread: str | None = None) -> None:
        self.cores, self.effort = tuple(cores), effort
        self.absent: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self._workers = {peer: Worker(peer, cores) for peer in peers}
        if one_thread:
            self._workers[ONE_THREAD] = Worker(one_thread, cores[:1])
        self._gauge = self._workers.get("atrous_numpy") or Worker("atrous_numpy", cores[:1])

    def __enter__(self) -> Session:
        for lane, worker in tuple(self._workers.items()):
            try:
                self.versions[lane] = worker.ask("version")
            except WorkerError as error:
                self.absent[lane] = str(error)
                self._workers.pop(lane).stop()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in {*self._workers.values(), self._gauge}:
            worker.stop()

    def run(self, case: Case, direction: str, answer: Answer) -> Run:
        """Measures one case in one direction (`"forward"` or `"training"`)."""
        timings = {lane: Timing() for lane in self._workers}
        expected = {}
        for lane, timing in timings.items():
            expected[lane] = self._prepare(lane, timing, case, direction, answer)
        before = self._peak()
        for turn in range(self.effort.rounds):
            for lane, timing in timings.items():
                if not timing.problem and turn < self.effort.turns(expected[lane]):
                    self._turn(lane, timing, expected[lane])
        return Run(case, direction, self.cores, (*before, *self._peak()), timings)

    def _prepare(self, lane: str, timing: Timing, case: Case, direction: str, answer: Answer) -> float:
        """Readies a worker and checks its result; returns the seconds that a call is expected to take."""
        try:
            ready = self._workers[lane].ask("prepare", case, direction)
            timing.details = self._workers[lane].ask("details", case, direction)
        except WorkerError as error:
            timing.problem = str(error)
            return 0.0
        timing.variant, timing.errors = ready["variant"], answer.errors(direction, ready["arrays"])
        worst = max(error.relative for error in timing.errors)
        timing.wrong = not worst <= WRONG[direction]  # NaN is wrong, too
        if timing.wrong:
            timing.problem = f"wrong result: off by {worst:.1e} of Σ|x||w|"
        return float(ready["seconds"])

    def _turn(self, lane: str, timing: Timing, expected: float) -> None:
        brief = expected < 0.02  # what others left in the caches matters
        try:
            turn = self._workers[lane].ask("time", self.effort.calls(expected), int(brief))
        except WorkerError as error:
            timing.problem = str(error)
            return
        timing.seconds += turn.seconds
        timing.processor.append(turn.processor)

    def _peak(self) -> tuple[float, ...]:
        try:
            return (self._gauge.ask("peak"),)
        except WorkerError:
            return ()


def measure(session: Session, cases: Sequence[Case], directions: Sequence[str], told: Callable[[Run], None]) -> list[Run]:
    """Measures all cases, telling of each as soon as it is done."""
    runs = []
    for case in cases:
        answer = Answer(case)
        for direction in directions:
            runs.append(session.run(case, direction, answer))
            told(runs[-1])
    return runs


def peers_of(runs: Sequence[Run]) -> list[str]:
    """Names of the lanes that are not this library's."""
    return [lane for lane in dict.fromkeys(lane for run in runs for lane in run.timings) if lane not in (*OURS, ONE_THREAD)]
