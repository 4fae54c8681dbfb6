"""What a recipe for audio classification chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_names, parse_number, parse_rates

AUGMENTATIONS = ("shift", "gain", "noise")
CLASS_WEIGHTS = ("none", "balanced")
NETWORKS = ("mel", "raw")
_RATES = (1000, 192000)  # Hz
_SECONDS = (0.1, 60.0)


@dataclass(frozen=True, kw_only=True)
class AudioClassification(Recipe):
    """How a network is trained on clips of sound with one class each.

    The network is `atrous.models.audio.ClipClassifier`.

    Args:
        network: One of `NETWORKS`: dilated blocks on a log-mel spectrogram, or on the waveform.
        rates: Dilation rate of each block; `()`: 1, 2, 4, … until a frame sees a second. `1` alone stands for as many blocks
            without dilation.
        filters: Channels of each block.
        mels: Bins of the spectrogram.
        dropout: Share of the pooled channels dropped in training.
        sample_rate: That clips are resampled to, in Hz; `None`: that of most files, but at most 16 000.
        seconds: Length of an example; a longer clip is cut, at a random place in training and else in the middle; a shorter
            one is padded. `None`: nine clips in ten are not longer, and at most 10.
        normalize_level: Whether clips are brought to one loudness, without offset.
        time_masks: Stretches that are masked in training, each of up to a fifth of the clip.
        frequency_masks: Bands of the spectrogram that are masked in training, each of up to a quarter of it.
        augment: Random changes of training clips: any of `AUGMENTATIONS`. "shift": a clip begins up to 0.1 s earlier or
            later; "gain": it is up to 6 dB louder or softer, which `normalize_level` undoes; "noise": white noise, 20 to 50 dB
            below the clip.
        class_weights: `"balanced"`: an example counts in the loss as n / (classes · examples of its class), at most 10, so that
            rare classes count as much as frequent ones; `loss` in `metrics.csv` is weighted then, `val_loss` isn't.
        file: Column of a list that has the paths; by default found.
        label: Column that has the classes; by default found.
        split: Column that has the parts; by default found.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "audio-classification"
    metric: str = "accuracy"
    batch_size: int = option(32, "Clips a step.")
    network: str = option("mel", f"{', '.join(NETWORKS)}: blocks on a log-mel spectrogram, or on the waveform.")
    rates: tuple[int, ...] = option((), "Of each block; 1: no dilation. Default: 1,2,4,… until a frame sees a second.")
    filters: int = option(32, "Channels of each block.")
    mels: int = option(40, "Bins of the spectrogram.")
    dropout: float = option(0.2, "Share of the pooled channels dropped in training.")
    sample_rate: int | None = option(None, "Resample to it. Default: that of most files, at most 16000.", "HZ")
    seconds: float | None = option(None, "Length of an example. Default: nine clips in ten aren't longer.", "SECONDS")
    normalize_level: bool = option(True, "Bring clips to one loudness, without offset.")
    time_masks: int = option(2, "Stretches masked in training, each of up to a fifth of the clip.")
    frequency_masks: int | None = option(None, "Bands masked in training, each up to a quarter. Default: 2; raw: 0.", "N")
    augment: tuple[str, ...] = option(("shift",), f"Random changes of training clips: {', '.join(AUGMENTATIONS)}.")
    class_weights: str = option("none", f"{', '.join(CLASS_WEIGHTS)}: rare classes count as much as frequent ones.")
    file: str | None = option(None, "Column of a list that has the paths. Default: found.", "COLUMN")
    label: str | None = option(None, "Column of a list that has the classes. Default: found.", "COLUMN")
    split: str | None = option(None, "Column of a list that has train, validation, test. Default: found.", "COLUMN")

    facts: ClassVar[tuple[str, ...]] = ("class_names", "sound", "skipped")
    examples: ClassVar[str] = "clips"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_choice("network", self.network, NETWORKS)
        parse_choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        for name in ("filters", "mels"):
            self._set(name, parse_integer(name, getattr(self, name), minimum=2))
        self._set("rates", parse_rates(self.rates, "one a block") if self.rates != () else ())
        self._set("time_masks", parse_integer("time_masks", self.time_masks, minimum=0))
        if self.frequency_masks is not None:
            self._set("frequency_masks", parse_integer("frequency_masks", self.frequency_masks, minimum=0))
            if self.frequency_masks and self.network == "raw":
                raise ValueError(
                    "`frequency_masks` must be left out with `network='raw'`: a waveform has no bands. "
                    f"Received: frequency_masks={self.frequency_masks}."
                )
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        if self.sample_rate is not None:
            self._set("sample_rate", parse_integer("sample_rate", self.sample_rate))
            if not _RATES[0] <= self.sample_rate <= _RATES[1]:
                raise ValueError(
                    f"`sample_rate` must be between {_RATES[0]} and {_RATES[1]} Hz. Received: sample_rate={self.sample_rate}."
                )
        if self.seconds is not None:
            self._set("seconds", parse_number("seconds", self.seconds, 0, float("inf")))
            if not _SECONDS[0] <= self.seconds <= _SECONDS[1]:
                raise ValueError(
                    f"`seconds` must be between {_SECONDS[0]:g} and {_SECONDS[1]:g}: longer clips are heard in windows. "
                    f"Received: seconds={self.seconds:g}."
                )

    @property
    def bands_masked(self) -> int:
        """How many bands are masked in training."""
        return self.frequency_masks if self.frequency_masks is not None else 2 if self.network == "mel" else 0

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Length and sample rate of examples, number of classes, the network."""
        rates, sound = ", ".join(map(str, self.rates)) or "1, 2, 4, …", facts["sound"]
        return (
            f"of {sound['seconds']:g} s at {sound['sample_rate']:,} Hz, {len(facts['class_names'])} classes · {self.network}, "
            f"rates {rates}"
        )
