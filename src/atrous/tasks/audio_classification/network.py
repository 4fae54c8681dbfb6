"""The network of a recipe."""

from __future__ import annotations

from atrous.models.audio import ClipClassifier, default_rates
from atrous.run import Config
from atrous.tasks.audio_classification.recipe import AudioClassification


def rates_of(recipe: AudioClassification, sample_rate: int) -> tuple[int, ...]:
    """The rate of each block: 1 alone stands for as many blocks as there are by default."""
    default = default_rates(recipe.network, sample_rate)
    return default if recipe.rates == () else (1,) * len(default) if recipe.rates == (1,) else recipe.rates


def build(recipe: AudioClassification, config: Config, policy: str) -> ClipClassifier:
    """The network: see `atrous.models.audio.ClipClassifier`."""
    sample_rate = config.facts["sound"]["sample_rate"]
    return ClipClassifier(
        len(config.class_names),
        sample_rate,
        recipe.network,
        rates_of(recipe, sample_rate),
        recipe.filters,
        recipe.mels,
        recipe.normalize_level,
        recipe.time_masks,
        recipe.bands_masked,
        recipe.dropout,
        config.class_names,
        policy,
    )
