"""What was measured, as tables on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.claims import Claim, peak_share
from benchmarks.measure import ONE_THREAD, Run, peers_of
from benchmarks.peers import OURS
from benchmarks.suite import oracle

WIDTH = 210
"""Columns of a table that goes to a file."""
UNDISTURBED = 0.97
"""Processor seconds per second that a turn on one core has when nothing else runs there."""

EPSILON = oracle.EPSILON["float32"]


def console() -> Console:
    """The terminal, or a file that is wide enough for the tables."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH)


def times(runs: Sequence[Run], direction: str, ours: str) -> Table:
    """Milliseconds of everybody, and how many times as long as ours a peer takes; the fastest peer is bold."""
    runs = [run for run in runs if run.direction == direction]
    peers = [peer for peer in peers_of(runs) if any(run.seconds(peer) or _problem(run, peer) == "wrong" for run in runs)]
    doors = [door for door in (*OURS, ONE_THREAD) if any(door in run.timings for run in runs)]
    table = Table(title=f"{direction}: ms (× {ours}); GFLOP/s of {ours} on valid (dense) multiply-adds; share of the FMA peak")
    table.add_column("case")
    for column in (*doors, "GFLOP/s", "peak", "of peak", *peers):
        table.add_column(column, justify="right")
    for run in runs:
        best = run.fastest(peers)
        cells = [_against(run, peer, ours, peer == best) for peer in peers]
        table.add_row(run.case.name, *(_alone(run, door) for door in doors), *_speed(run, ours), *cells)
    return table


def _alone(run: Run, door: str) -> str:
    seconds = run.seconds(door)
    return f"{1e3 * seconds:.3f}" if seconds else _problem(run, door)


def _against(run: Run, peer: str, ours: str, best: bool) -> str:
    seconds, ratio = run.seconds(peer), run.ratio(peer, ours)
    if not seconds:
        return _problem(run, peer)
    text = f"{1e3 * seconds:.3f}" + (f" ({ratio:.2f})" if ratio else "")
    style = ("bold " if best else "") + ("red" if ratio and ratio < 0.95 else "")
    return f"[{style.strip()}]{text}[/]" if style.strip() else text


def _problem(run: Run, peer: str) -> str:
    timing = run.timings.get(peer)
    return "wrong" if timing and timing.wrong else "–"


def _speed(run: Run, ours: str) -> tuple[str, str, str]:
    seconds, share = run.seconds(ours), peak_share(run, ours)
    peak = " ".join(f"{2e-9 * peak:.0f}" for peak in run.peaks) or "–"
    if not seconds:
        return "–", peak, "–"
    valid = 2e-9 * run.macs / seconds
    dense = valid * run.case.dense_macs / run.case.valid_macs
    return f"{valid:.0f} ({dense:.0f})", peak, f"{share:.0%}" if share else "–"


def errors(runs: Sequence[Run], direction: str) -> Table:
    """Largest error, and largest error relative to Σ|x||w| in units of float32's eps, of everybody against float64."""
    runs = [run for run in runs if run.direction == direction]
    lanes = list(dict.fromkeys(lane for run in runs for lane in run.timings if lane != ONE_THREAD))
    what = "output" if direction == "forward" else "gradients for input and weights"
    table = Table(title=f"error of the {what}: largest; largest relative to Σ|x||w|, in eps")
    table.add_column("case")
    for lane in lanes:
        table.add_column(lane, justify="right")
    for run in runs:
        table.add_row(run.case.name, *(_error(run, lane) for lane in lanes))
    return table


def _error(run: Run, lane: str) -> str:
    timing = run.timings.get(lane)
    if not timing or not timing.errors:
        return "–"
    return ", ".join(f"{error.largest:.0e}; {error.relative / EPSILON:.2g}" for error in timing.errors)


def verdicts(claims: Sequence[Claim]) -> Table:
    """What is claimed, what was measured, and whether it holds."""
    table = Table(
        "claim", "at least", "measured", "where", "holds", title="Claims; a figure counts when it holds in three separate runs"
    )
    for claim in claims:
        measured = "–" if claim.measured is None else f"{claim.measured:.2f}"
        least = "" if claim.least is None else f"{claim.least:.2f}"
        table.add_row(claim.text, least, measured, claim.where, {None: "", True: "yes", False: "[red]NO[/]"}[claim.holds])
    return table


def problems(runs: Sequence[Run]) -> list[str]:
    """Why peers have no time, each reason once with its cases; and what was disturbed."""
    reasons: dict[str, list[str]] = {}
    for run in runs:
        for lane, timing in run.timings.items():
            if timing.problem:
                reasons.setdefault(f"{lane}, {run.direction}: {timing.problem}", []).append(run.case.name)
    lines = [f"{why} ({', '.join(names) if len(names) < 6 else f'{len(names)} cases'})" for why, names in reasons.items()]
    shares = [share for run in runs for timing in run.timings.values() for share in timing.processor if len(run.cores) == 1]
    disturbed = sum(share < UNDISTURBED for share in shares)
    return [*lines, f"Something else took the core for a part of {disturbed} of {len(shares)} turns."] if disturbed else lines


def record(run: Run) -> dict[str, Any]:
    """A run as JSON takes it: seconds, multiply-adds a second, errors."""
    timings = {
        lane: {**asdict(timing), **({"median": timing.median, "least": timing.least} if timing.seconds else {})}
        for lane, timing in run.timings.items()
    }
    case = {
        **asdict(run.case),
        "tags": sorted(run.case.tags),
        "dense_macs": run.case.dense_macs,
        "valid_macs": run.case.valid_macs,
    }
    return {"case": case, "direction": run.direction, "cores": run.cores, "peaks": run.peaks, "timings": timings}
