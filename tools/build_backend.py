"""The build backend: scikit-build-core, and one sentence where the native core could not be compiled.

pip hides what a backend prints. The name of the wheel it shows; and a person at a terminal is told there.
"""

from __future__ import annotations

from typing import Any

from scikit_build_core import build
from scikit_build_core.build import *  # noqa: F403  (the other functions that pip calls)

BUILD_TAG = "0_WITHOUT_NATIVE_CORE"  # as in pyproject.toml
MESSAGE = (
    "atrous: the native core could not be compiled. atrous works without it, but its convolutions are slower. It needs a C++17 "
    "compiler and Python's headers (on Debian: g++ and python3-dev); `pip install -v` shows what failed."
)


def build_wheel(*arguments: Any) -> str:
    """See `scikit_build_core.build.build_wheel`."""
    return _with_notice(build.build_wheel(*arguments))


def build_editable(*arguments: Any) -> str:
    """See `scikit_build_core.build.build_editable`."""
    return _with_notice(build.build_editable(*arguments))


def _with_notice(wheel: str) -> str:
    if BUILD_TAG in wheel:
        try:
            with open("/dev/tty", "w") as terminal:
                terminal.write(f"\n{MESSAGE}\n")
        except OSError:
            print(MESSAGE)
    return wheel
