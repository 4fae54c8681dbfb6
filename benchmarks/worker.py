"""One process a peer: it waits for orders on a pipe, asleep, and only one of them works at a time.

The child's side is `python -m benchmarks.worker PEER DESCRIPTOR CORES`, the parent's is `Worker`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BRIEF = 0.3
"""Seconds below which a call is tried again before one of a peer's variants is chosen."""


class Turn(NamedTuple):
    """Seconds of each call, and processor seconds per second: below 1 on one core, something else ran there."""

    seconds: list[float]
    processor: float


class WorkerError(Exception):
    """A peer could not do what it was asked; the message is its own."""


class Worker:
    """A peer in a process of its own, on given cores.

    Args:
        name: The peer's name.
        cores: Cores it may use; as many threads.
    """

    def __init__(self, name: str, cores: Sequence[int]) -> None:
        self.name, self.cores = name, tuple(cores)
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the worker
        order = [sys.executable, "-m", "benchmarks.worker", name, str(theirs.fileno()), ",".join(map(str, self.cores))]
        with theirs:
            self._process = subprocess.Popen(
                order,
                cwd=ROOT,
                env={**os.environ, **_environment(len(self.cores))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
            )
        self._connection = Connection(ours.detach())

    def ask(self, order: str, *arguments: Any) -> Any:
        """Waits for the answer to an order: the name of a method of `_Child`.

        Raises:
            WorkerError: The peer raised, or its process ended.
        """
        try:
            self._connection.send((order, arguments))
            done, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerError(f"its process ended with status {self._process.wait()}: {self._last_words()}") from error
        if not done:
            raise WorkerError(answer)
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-1000:].decode(errors="replace").strip()

    def stop(self) -> None:
        """Ends the process."""
        with contextlib.suppress(OSError):
            self._connection.close()
        self._process.wait()
        self._log.close()


def pin(cores: Sequence[int]) -> None:
    """Keeps this process to some cores, with as many threads. Call it before any library is imported that counts them."""
    os.sched_setaffinity(0, cores)
    os.environ.update(_environment(len(cores)))


def cores_of(core: int | None, every: bool = False) -> tuple[int, ...]:
    """The one core to measure on, the last by default, in front of all others if `every` is asked for."""
    allowed = sorted(os.sched_getaffinity(0))
    one = allowed[-1] if core is None else core
    return (one, *(other for other in allowed if other != one and every))


def _environment(threads: int) -> dict[str, str]:
    """So many threads in every library, none of which spins while it has nothing to do; no GPU; no chatter."""
    counts = ("OMP", "MKL", "OPENBLAS", "ATROUS")
    return {
        **{f"{library}_NUM_THREADS": str(threads) for library in counts},
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} {os.environ.get('XLA_FLAGS', '')}",
        "OMP_WAIT_POLICY": "passive",
        "KMP_BLOCKTIME": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


class _Child:
    def __init__(self, name: str) -> None:
        from benchmarks import peers

        self._peer = peers.load(name)
        self._call: Any = None

    def version(self) -> str:
        return self._peer.version

    def prepare(self, case: Any, direction: str) -> dict[str, Any]:
        """Chooses the fastest variant; returns its name, its result as arrays, and its time in seconds."""
        self._call = None  # one case's memory at a time
        times = {}
        variants = getattr(self._peer, direction)(case)
        for variant, self._call in variants.items():
            times[variant] = self._try()
        best = min(times, key=lambda variant: times[variant])
        self._call = variants[best]
        arrays = self._peer.arrays(case, self._call())
        return {"variant": best, "seconds": times[best], "arrays": arrays}

    def _try(self) -> float:
        first = self.time(1, warm_up=1).seconds[0]  # the first call compiles
        return min(first, *self.time(2).seconds) if first < BRIEF else first

    def time(self, calls: int, warm_up: int = 0) -> Turn:
        """Times some calls, after others that are not timed."""
        for _ in range(warm_up):
            self._call()
        seconds, cpu = [], time.process_time()
        for _ in range(calls):
            start = time.perf_counter()
            self._call()
            seconds.append(time.perf_counter() - start)
        return Turn(seconds, (time.process_time() - cpu) / sum(seconds))

    def peak(self) -> float:
        """See `Peer.peak`."""
        return self._peer.peak()

    def details(self, case: Any, direction: str) -> dict[str, Any]:
        """See `Peer.details`."""
        return self._peer.details(case, direction)


def main(name: str, descriptor: str, cores: str) -> None:
    """Pins the process, makes the peer, and answers until the pipe closes."""
    os.sched_setaffinity(0, map(int, cores.split(",")))  # before any library counts the cores
    connection = Connection(int(descriptor))
    child: Any = None
    with contextlib.suppress(EOFError):
        while True:
            order, arguments = connection.recv()
            try:
                child = child or _Child(name)
                answer = True, getattr(child, order)(*arguments)
            except Exception as error:  # whatever a library raises is what it says about the case
                lines = str(error).strip().splitlines() or [""]
                answer = False, f"{type(error).__name__}: {lines[0]}".removeprefix("UnsupportedError: ")
            connection.send(answer)


if __name__ == "__main__":
    from benchmarks.worker import main as importable  # so that the other side knows what it gets by the same name

    importable(*sys.argv[1:])
