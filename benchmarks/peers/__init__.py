"""One file a peer, by the name of the file; its `peer()` makes one. A new file and a name in `NAMES` add a peer."""

from __future__ import annotations

import importlib

from benchmarks.peers.peer import Peer

OURS = ("atrous_tensorflow", "atrous_numpy")
NAMES = (*OURS, "keras_tensorflow", "tensorflow", "torch", "jax", "onnxruntime", "openvino")


def load(name: str) -> Peer:
    """Makes a peer; its library is imported only now.

    Raises:
        ImportError: The library, or a part of it, is not installed.
    """
    peer: Peer = importlib.import_module(f"benchmarks.peers.{name}").peer()
    return peer
