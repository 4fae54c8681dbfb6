"""Causal networks sample by sample or block by block, equal to the whole signal at once."""

from atrous.streaming.exported import step_model
from atrous.streaming.functional import Step
from atrous.streaming.generation import generate
from atrous.streaming.plan import CannotStreamError
from atrous.streaming.stream import Stream, predict, stream

__all__ = ["CannotStreamError", "Step", "Stream", "generate", "predict", "step_model", "stream"]
