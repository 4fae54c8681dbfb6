"""The network of a recipe: a TCN, or one recurrent layer."""

from __future__ import annotations

import keras
from keras import layers

from atrous.models.tcn import TCN
from atrous.tasks.sequence_modelling.recipe import SequenceModelling


def build(recipe: SequenceModelling, policy: str) -> keras.Model:
    """The network, from (batch, steps, channels) to (batch, steps, outputs), or (batch, outputs) if only the last step counts.

    A recurrent network is a layer of `recipe.units`, dropout and a linear layer, all as Keras has them: a forget gate that
    begins at 1, orthogonal recurrent kernels.

    Args:
        recipe: Which one, and its sizes.
        policy: Of the layers; what comes out is float32.
    """
    if recipe.network == "tcn":
        return TCN(
            (None, recipe.channels),
            recipe.outputs,
            recipe.filters,
            recipe.kernel_size,
            recipe.schedule,
            output="last" if recipe.last else "sequence",
            dropout=recipe.dropout,
            spatial_dropout=recipe.spatial_dropout,
            input_dropout=recipe.input_dropout,
            dtype=policy,
        )
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}[recipe.network]
    inputs = keras.Input((None, recipe.channels), name="inputs")
    x = layers.Dropout(recipe.input_dropout, dtype=policy, name="input_dropout")(inputs) if recipe.input_dropout else inputs
    x = kind(recipe.units, return_sequences=not recipe.last, dtype=policy, name="recurrent")(x)
    x = layers.Dropout(recipe.dropout, dtype=policy, name="dropout")(x)
    outputs = layers.Dense(recipe.outputs, dtype="float32", name="outputs")(x)
    return keras.Model(inputs, outputs, name=recipe.network)
