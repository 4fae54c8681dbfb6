"""The most memory that the process holds while something runs, as the system counts it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

STATUS = Path("/proc/self/status")
EVERY = 0.02
"""Seconds between two looks."""


class PeakMemory:
    """Looks again and again while it is entered: bytes at most, `anonymous` and `mapped`, and the anonymous ones `before`.

    Anonymous memory is what the process has made; mapped is what it has read of files, which the system may take back. Only
    Linux tells; elsewhere all are 0.
    """

    def __init__(self) -> None:
        self.before = self.anonymous = self.mapped = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self.before = self.anonymous
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._watcher.join()
        self._look()

    @property
    def grown(self) -> int:
        """Anonymous bytes at most, beyond those at first."""
        return self.anonymous - self.before

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            self._look()

    def _look(self) -> None:
        if not STATUS.exists():
            return
        lines = (line.split() for line in STATUS.read_text().splitlines() if line.startswith(("RssAnon", "RssFile")))
        found = {words[0]: 1024 * int(words[1]) for words in lines}
        self.anonymous = max(self.anonymous, found.get("RssAnon:", 0))
        self.mapped = max(self.mapped, found.get("RssFile:", 0))
