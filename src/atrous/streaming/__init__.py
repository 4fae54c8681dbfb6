"""Causal networks sample by sample or block by block, equal to the whole signal at once."""

from atrous.streaming.exported import step_model
from atrous.streaming.functional import Step
from atrous.streaming.plan import CannotStreamError
from atrous.streaming.stream import Stream, predict, stream

__all__ = ["CannotStreamError", "Step", "Stream", "predict", "step_model", "stream"]
