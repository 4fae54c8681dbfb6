"""The rules that come with atrous: importing this package registers them."""

from atrous.field.rules import convolutions, operations, positions, resampling, sequences, sounds

__all__ = ["convolutions", "operations", "positions", "resampling", "sequences", "sounds"]
