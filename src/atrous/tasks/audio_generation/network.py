"""The network of a recipe, and what it knows before it has learnt anything."""

from __future__ import annotations

import keras
import numpy as np

from atrous.models.sound import SoundWaveNet
from atrous.models.wavenet import mu_law_decode
from atrous.tasks.audio_generation.data import Plan
from atrous.tasks.audio_generation.recipe import AudioGeneration

_SPREAD, _SCALE = 0.6, 0.05  # of logistics on the mu-law curve, where speech is mostly within ± 0.8


def build(recipe: AudioGeneration, plan: Plan, policy: str | None = None) -> keras.Model:
    """WaveNet, whose first and last layer begin where they can.

    Codes that are neighbours are heard as neighbours: an embedding begins as a random linear map of the code and of the sample
    that it stands for, where Keras's is different for each code, and much of a short training would go into finding their
    order. A mixture hears and says samples on the mu-law curve (`SoundWaveNet`), and its logistics begin spread over that.

    Args:
        recipe: Head and sizes.
        plan: Sample rate, rates, level.
        policy: Of the layers.
    """
    model = SoundWaveNet(
        plan.sample_rate,
        head=recipe.head,
        classes=recipe.classes,
        rates=plan.rates,
        stacks=recipe.stacks,
        filters=recipe.filters,
        skip_filters=recipe.skip_filters,
        kernel_size=recipe.kernel_size,
        input_kernel_size=recipe.input_kernel_size,
        mixtures=recipe.mixtures,
        mu_law=recipe.classes if recipe.head == "logistics" else None,
        dtype=policy,
    )
    if recipe.head == "categorical":
        _order_codes(model.get_layer("embedding"), recipe, plan.level)
    else:
        last = model.get_layer("outputs")
        kernel, _ = last.get_weights()
        last.set_weights([kernel / 4, _mixture(recipe.mixtures)])
    return model


def _order_codes(embedding: keras.layers.Layer, recipe: AudioGeneration, level: float) -> None:
    codes = np.arange(recipe.classes)
    samples = keras.ops.convert_to_numpy(mu_law_decode(codes, recipe.classes)) / level
    places = (codes - codes.mean()) / codes.std()
    features = np.stack([places, samples / max(1.0, float(samples.std()))], axis=1)
    drawn = np.random.default_rng(recipe.seed).normal(0, np.sqrt(0.5), (2, recipe.filters))
    embedding.set_weights([embedding.get_weights()[0] + features @ drawn])


def _mixture(mixtures: int) -> np.ndarray:
    """Bias of the last layer: logits, means, log scales."""
    means = np.linspace(-_SPREAD, _SPREAD, mixtures) if mixtures > 1 else np.zeros(1)
    return np.concatenate([np.zeros(mixtures), means, np.full(mixtures, np.log(_SCALE))])
