"""The native core as Python sees it: whether it is there, whether it may be used, where it lies. No framework is imported.

The core itself is the module `atrous._native`. It is missing where it could not be compiled when atrous was installed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

TENSORFLOW_LIBRARY = "libatrous_tensorflow.so"

_portable: ContextVar[bool] = ContextVar("atrous.portable", default=False)


def core() -> Any:
    """The module `atrous._native`.

    Raises:
        ImportError: It is not there; `why_not` says why.
    """
    return importlib.import_module("atrous._native")


def available() -> bool:
    """Whether the native core is installed and loads."""
    return _obstacle() is None


def enabled() -> bool:
    """Whether native operations may be used here and now: `why_not()` has nothing to say."""
    return why_not() is None


def why_not() -> str | None:
    """What keeps native operations from being used here and now, in one sentence for users; `None` if nothing does.

    The environment variable ATROUS_NATIVE is read at each call: 0 turns them off.
    """
    if os.environ.get("ATROUS_NATIVE") == "0":
        return "ATROUS_NATIVE=0"
    if _portable.get():
        return "inside `atrous.portable()`"
    return _obstacle()


def library_path() -> Path:
    """Where the library of TensorFlow's operations lies: beside the core, and not beside this file in an editable install.

    Raises:
        ImportError: The native core is not there.
    """
    return Path(core().__file__).with_name(TENSORFLOW_LIBRARY)


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Inside, native operations are never used: what is traced or exported here runs without atrous."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


@cache
def _obstacle() -> str | None:
    try:
        core()
    except ModuleNotFoundError:
        return (
            "the native core is not installed: `pip install` compiles it where there is a C++17 compiler, see `pip install -v`"
        )
    except ImportError as error:
        return f"the native core is installed but does not load: {error}"
    return None
