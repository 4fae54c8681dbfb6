"""Memory of a stack that is given one sample at a time: every convolution keeps the inputs that it has yet to meet again."""

from __future__ import annotations

from keras import layers

from atrous.field.analysis import Analysis
from atrous.field.graph import Use
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, TRANSPOSED, spec_of

_STATES = ((layers.LSTM, 2), (layers.GRU, 1), (layers.SimpleRNN, 1))


def ring_buffers(analysis: Analysis, itemsize: int = 4) -> tuple[int | None, str | None]:
    """Bytes of the ring buffers: (effective kernel size − 1) × channels for each convolution; states of recurrent layers.

    Args:
        analysis: Of the model.
        itemsize: Bytes of an element.

    Returns:
        The bytes, or `None` and a sentence that says why the model can't be streamed.
    """
    if len(analysis.space) != 1:
        return None, f"it has {len(analysis.space)} spatial axes, and samples come along one"
    behind = analysis.report().output
    if behind.fields and not behind.is_local:
        return None, "its output is of the whole input, not of one sample"
    if behind.fields and behind.look_ahead[0] > 0:
        ahead = behind.look_ahead[0]
        return None, f"its output looks {ahead:g} samples ahead; with `padding='causal'` it wouldn't"
    total = 0
    for use in analysis.graph.uses:
        kept = _kept(use)
        if kept is None:
            return None, f"how layer {use.name!r} ({type(use.layer).__name__}) goes from sample to sample isn't known"
        total += kept
    return itemsize * total, None


def _kept(use: Use) -> int | None:
    """Elements that one layer keeps from sample to sample."""
    layer = use.layer
    if isinstance(layer, (*CONVOLUTIONS, *POOLS)):
        (span,) = spec_of(layer, 1).effective_kernel_size
        return (span - 1) * _channels(use)
    if isinstance(layer, TRANSPOSED):
        return None
    if isinstance(layer, layers.RNN):
        return next((states * layer.units for type_, states in _STATES if isinstance(layer, type_)), None)
    infinite = any(link.map.past or link.map.future for read in use.reads for links in read.links for link in links)
    return None if infinite else 0


def _channels(use: Use) -> int:
    return use.call.shape[next(d for d in range(len(use.call.shape)) if d not in use.call.space)]
