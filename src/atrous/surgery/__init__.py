"""Rewrites of Keras models that exist: faster here, portable elsewhere, same weights. And which path each layer takes."""

from atrous.surgery.explaining import explain
from atrous.surgery.explanation import Explanation, Row
from atrous.surgery.exporting import export
from atrous.surgery.rewriting import accelerate, to_keras

__all__ = ["Explanation", "Row", "accelerate", "explain", "export", "to_keras"]
