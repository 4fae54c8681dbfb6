"""One layer on part of its input: what streaming and tiling are made of."""

from atrous.parts.computing import compute
from atrous.parts.part import CannotCutError, Part, Span, Spans, needs, ties

__all__ = ["CannotCutError", "Part", "Span", "Spans", "compute", "needs", "ties"]
