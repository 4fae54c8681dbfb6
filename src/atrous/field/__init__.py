"""What a network sees before it is trained: the receptive field of every layer."""

from atrous.field.chain import receptive_fields
from atrous.field.taps import tap_spans

__all__ = ["receptive_fields", "tap_spans"]
