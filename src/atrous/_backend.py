"""What `import atrous` asks of Keras: that its backend is installed, and that saved atrous layers are known to it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def prepare() -> None:
    """Checks that the backend is there, and imports layers, blocks and models so that Keras can load saved ones.

    Not in the `atrous` command, which answers `--help` at once and does both when it needs Keras, which takes seconds.
    """
    if not _is_command():
        require_backend()
        importlib.import_module("atrous.blocks")
        importlib.import_module("atrous.models")


def require_backend() -> None:
    """Raises an ImportError that says what to install if the backend Keras would choose is not there."""
    name = _chosen_backend()
    if name in BACKENDS and importlib.util.find_spec(name) is None:
        others = [other for other in BACKENDS if importlib.util.find_spec(other)]
        hint = f", or set KERAS_BACKEND={others[0]}, which is installed" if others else ""
        raise ImportError(f"atrous needs a Keras backend: install one with `pip install 'atrous[{name}]'`{hint}.")


def _is_command() -> bool:
    return Path(sys.argv[0]).stem == "atrous" or (
        "-m" in sys.orig_argv and sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] == ["atrous"]
    )


def _chosen_backend() -> str:
    """The backend's name by Keras's own order: environment, then its configuration file, then TensorFlow."""
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError):
        return "tensorflow"
