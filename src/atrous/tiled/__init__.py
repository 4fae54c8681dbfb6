"""Exact inference tile by tile, on images that are larger than memory."""

from atrous.tiled.predicting import predict
from atrous.tiled.tiling import Tiling, plan

__all__ = ["Tiling", "plan", "predict"]
