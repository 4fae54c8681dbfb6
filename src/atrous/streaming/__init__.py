"""Causal networks sample by sample or block by block, equal to the whole signal at once."""

from atrous.streaming.functional import Step, step_model
from atrous.streaming.plan import CannotStreamError

__all__ = ["CannotStreamError", "Step", "step_model"]
