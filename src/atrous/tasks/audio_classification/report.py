"""The page's part on sound: baselines, confusion, clips to see and hear, what the network sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np

from atrous.data.audio import AudioData, samples_of
from atrous.models.audio import field_seconds
from atrous.models.audio_layers import SpectrogramMasks
from atrous.plots.spectrogram import pixels, spectrogram
from atrous.report import embed
from atrous.report.classes import confusion_section, percent
from atrous.report.facts import accuracy
from atrous.report.notes import class_notes
from atrous.report.page import Contents, render
from atrous.report.samples import Sample, choose
from atrous.run import Run
from atrous.tasks.audio_classification import baselines
from atrous.tasks.audio_classification.baselines import Baseline
from atrous.tasks.audio_classification.network import rates_of
from atrous.tasks.audio_classification.recipe import AudioClassification
from atrous.tasks.audio_classification.sounds import Shown, log_mel, mel_hertz, player, trimmed

_SHOWN = 8  # right and wrong clips each
_BYTES = 1_500_000  # of embedded sound, about
_NEAR = 0.02  # accuracy by which a simple rule may stay behind and still be near
_MASKED = 3  # examples of masks
_HERTZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)


def contents(run: Run, model: keras.Model, data: AudioData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe, rate = cast(AudioClassification, run.config.recipe), data.sample_rate
    length = samples_of(data.seconds, rate)
    chosen = choose(model, Shown(data.test, length), _SHOWN)
    others = baselines.of_run(run, data)
    confusion = np.asarray(test["confusion"])
    rates = rates_of(recipe, rate)
    field = field_seconds(recipe.network, rate, rates)
    example = max(chosen.right or chosen.wrong, key=lambda each: len(trimmed(each.image)), default=None)
    left = [_BYTES]
    section = render(
        __package__ or "",
        "sections.html",
        examined=chosen.examined,
        wrong=[_captioned(each, data, recipe, left) for each in chosen.wrong],
        right=[_captioned(each, data, recipe, left) for each in chosen.right],
        normalized=recipe.normalize_level,
        seen=_seen(field, data),
        view=None if example is None else _view(example, data, recipe, field),
        masks=[] if example is None else _masks(example, data, recipe),
        skipped=[why for _, why in data.skipped],
    )
    total = sum(float(part.seconds.sum()) for part in (data.train, data.validation, data.test))
    return Contents(
        lead=f"{len(data.train):,} training clips of {len(data.class_names)} classes; with validation and test "
        f"{_duration(total)} of sound, at {rate:,} Hz.",
        facts=[
            accuracy(test),
            {"name": "Macro F1", "value": f"{100 * test['macro_f1']:.1f} %", "note": "mean over classes"},
            {"name": "Test clips", "value": f"{test['examples']:,}", "note": f"loss {test['loss']:.3f}"},
        ],
        labels={"loss": "loss (cross-entropy)", "accuracy": "accuracy (share)"},
        notes=[
            *_worth_notes(test, others),
            *class_notes(confusion, data.class_names),
            *_field_notes(field, data),
            *_skipped_note(data),
            *data.notes,
        ],
        sections=[
            render(__package__ or "", "results.html", table=_table(test, others)),
            confusion_section(confusion, data.class_names),
            section,
        ],
        choices=[
            "log-mel spectrogram" if recipe.network == "mel" else "waveform",
            f"rates {', '.join(map(str, rates))}" if set(rates) != {1} else f"{len(rates)} blocks without dilation",
            f"{recipe.filters} filters",
            f"examples of {data.seconds:g} s",
            "levels brought to one" if recipe.normalize_level else "levels as recorded",
            f"{recipe.time_masks} time and {recipe.bands_masked} frequency masks",
            f"augmentation: {' and '.join(recipe.augment) or 'none'}",
            *([f"{recipe.class_weights} class weights"] if recipe.class_weights != "none" else []),
        ],
        layers="Convolutions behind the spectrogram; sizes are frames × channels, and the field is in frames of 10 ms."
        if recipe.network == "mel"
        else f"Convolutions on the waveform; sizes are steps × channels, and the field is in samples of 1/{rate:,} s.",
        network=model.get_layer("body"),
    )


def _table(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[dict[str, Any]]:
    row = {"name": "this network", "accuracy": _percent(test["accuracy"]), "macro_f1": _percent(test["macro_f1"])}
    return [
        {**row, "first": True},
        *(
            {"name": each.name, "accuracy": _percent(each.accuracy), "macro_f1": _percent(each.macro_f1), "first": False}
            for each in others
        ),
    ]


def _worth_notes(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[str]:
    """Whether the network is worth having, and whether the classes are told by what has nothing to do with them."""
    always, nearest = others
    if nearest.accuracy >= test["accuracy"] - _NEAR and nearest.accuracy > always.accuracy + _NEAR:
        how = "more often than" if nearest.accuracy > test["accuracy"] else "nearly as often as"
        return [
            f"Length and loudness alone tell the classes apart: the five nearest training clips in these two are right in "
            f"{_percent(nearest.accuracy)}, {how} the network ({_percent(test['accuracy'])}). How clips were recorded and cut "
            "goes with their class, so that the accuracy says little of what is heard in them."
        ]
    if test["accuracy"] <= always.accuracy + _NEAR:
        return [f"Always the most frequent class is right in {_percent(always.accuracy)}: the network has learnt nothing more."]
    gain = nearest.accuracy - always.accuracy
    if gain > 0.5 * (test["accuracy"] - always.accuracy):
        return [
            f"Length and loudness alone are right in {_percent(nearest.accuracy)}: how clips were recorded and cut goes with "
            "their class, and part of the accuracy may be owed to that."
        ]
    return []


def _field_notes(field: float, data: AudioData) -> list[str]:
    median = float(np.median(np.minimum(data.train.seconds, data.seconds)))
    if field > 4 * median:
        return [
            f"A frame sees {_ms(field)}, half of the clips have less than {_ms(median)}: fewer --rates may do, and train "
            "faster."
        ]
    return []


def _seen(field: float, data: AudioData) -> list[dict[str, Any]]:
    """What the network sees, beside the clips, on one scale."""
    lengths = [
        ("a frame sees", field),
        ("half of the clips are no longer than", float(np.median(data.train.seconds))),
        ("the longest clip", float(data.train.seconds.max())),
        ("an example", data.seconds),
    ]
    longest = max(length for _, length in lengths)
    return [{"name": name, "values": (_ms(n),), "percent": f"{100 * n / longest:.1f}"} for name, n in lengths]


def _captioned(sample: Sample, data: AudioData, recipe: AudioClassification, left: list[int]) -> dict[str, Any]:
    names = data.class_names
    sound = player(sample.image, data.sample_rate) if left[0] > 0 else ""
    left[0] -= len(sound)
    return {
        "name": sample.name,
        "picture": embed.picture(pixels(log_mel(sample.image, data.sample_rate, recipe.mels))),
        "sound": sound,
        "seconds": f"{len(trimmed(sample.image)) / data.sample_rate:.2g} s",
        "true": names[sample.true],
        "predicted": names[sample.predicted],
        "probability": percent(sample.probability),
        "true_probability": percent(sample.true_probability),
    }


def _view(sample: Sample, data: AudioData, recipe: AudioClassification, field: float) -> dict[str, Any]:
    values = log_mel(sample.image, data.sample_rate, recipe.mels)
    seconds = len(trimmed(sample.image)) / data.sample_rate
    middle = seconds / 2
    axes = spectrogram(
        values, seconds, ticks=_ticks(data.sample_rate, recipe.mels), field=(middle - field / 2, middle + field / 2)
    )
    share = "all of the clip" if field >= seconds else f"{100 * field / seconds:.0f} % of the clip"
    which = f"{sample.name} ({data.class_names[sample.true]}, {seconds:.2g} s)"
    said = f"The frame in the middle of {which} sees {_ms(field)}: {share}"
    return {
        "svg": embed.svg(axes, name="seen", alt=f"Log-mel spectrogram of a clip. {said}."),
        "caption": f"{said}{', between the lines' if field < seconds else ''}. Lighter is louder.",
    }


def _masks(sample: Sample, data: AudioData, recipe: AudioClassification) -> list[str]:
    """One clip as the network gets it in training, several times."""
    if recipe.network != "mel" or not (recipe.time_masks or recipe.bands_masked):
        return []
    values = log_mel(sample.image, data.sample_rate, recipe.mels)
    layer = SpectrogramMasks(recipe.time_masks, recipe.bands_masked, 1, seed=recipe.seed)
    number = np.full(1, len(values), np.float32)
    masked = [keras.ops.convert_to_numpy(layer([values[None], number], training=True))[0] for _ in range(_MASKED)]
    return [embed.picture(pixels(each)) for each in [values, *masked]]


def _ticks(sample_rate: int, mels: int) -> list[tuple[float, str]]:
    middles = mel_hertz(sample_rate, mels)
    shown = [hertz for hertz in _HERTZ if middles[0] <= hertz <= middles[-1]]
    places = np.interp(shown, middles, np.arange(mels))
    return [(float(at), f"{n / 1000:g} kHz" if n >= 1000 else f"{n} Hz") for at, n in zip(places, shown, strict=True)]


def _skipped_note(data: AudioData) -> list[str]:
    if not data.skipped:
        return []
    names = ", ".join(name for name, _ in data.skipped[:3])
    many = "1 clip was" if len(data.skipped) == 1 else f"{len(data.skipped):,} clips were"
    return [f"{many} left out: {names}{', …' * (len(data.skipped) > 3)}. The reasons are below."]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
