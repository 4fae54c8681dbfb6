"""The page's part on sound: to be heard and seen, its spectra, bits beside those of predictors, what the network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import keras
import numpy as np

from atrous.data.recordings import Recording
from atrous.data.sound import Samples
from atrous.plots.spectra import average_spectra
from atrous.plots.spectrogram import spectrogram as drawn_spectrogram
from atrous.plots.style import new_figure
from atrous.report import embed
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.audio_generation import sounds
from atrous.tasks.audio_generation.data import GenerationData, Plan
from atrous.tasks.audio_generation.recipe import AudioGeneration

_LISTED = 20  # files, notes
_LEVELS = (-80.0, -15.0)  # dB, the darkest and the lightest colour of a spectrogram
_EACH = {
    "one for all": "one predictor for all",
    "from the past": "adapted to the past",
    "each frame its own": "each frame its own",
}


def contents(run: Run, model: keras.Model, data: GenerationData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe, plan = cast(AudioGeneration, run.config.recipe), data.plan
    rate, held = plan.sample_rate, data.test.recordings
    made = sounds.made(model, rate, recipe.seed)
    real = [_stretch(each, rate) for each in _spread(held, len(made))]
    pitch = sounds.pitch([each.samples() for each in held], rate)
    predictor = test.get("predictor_bits_per_sample")
    section = render(
        __package__ or "",
        "sections.html",
        seconds=f"{sounds.SECONDS:g}",
        seed=recipe.seed,
        pairs=[
            {
                "made": shown(sound, rate, f"made-{i}", f"generated, {i + 1} of {len(made)}"),
                "real": shown(other, rate, f"real-{i}", name),
            }
            for i, (sound, (name, other)) in enumerate(zip(made, real, strict=False))
        ],
        spectra=_spectra(made, data, rate, recipe.seed),
        distances=_distances(test),
        table=_table(test),
        files=_files(test),
        more=max(0, len(test.get("files", {})) - _LISTED),
        seen=_seen(plan, recipe, pitch, held),
        found=[*data.notes][:_LISTED],
        skipped=[why if name in why else f"{name}: {why}" for name, why in data.skipped[:_LISTED]],
    )
    minutes = plan.seconds / 60
    return Contents(
        lead=f"{len(data.train.recordings):,} recordings, {minutes:.1f} minutes at {rate:,} Hz; "
        f"{len(held):,} others are the test.",
        facts=[
            {"name": "Bits per sample", "value": f"{test['bits_per_sample']:.3f}", "note": f"of {recipe.classes:,} codes"},
            {
                "name": "Linear predictor",
                "value": "–" if predictor is None else f"{predictor:.3f}",
                "note": _beside(test["bits_per_sample"], predictor),
            },
            {"name": "It sees", "value": _ms(plan.field, rate), "note": f"{plan.field:,} samples"},
            {"name": "It says", "value": _head(recipe), "note": f"{recipe.head} head"},
        ],
        labels={"loss": "nats per sample", "bits_per_sample": "bits per sample"},
        notes=[*_worth(test), *_timbre_note(test), *_field_note(plan, pitch), *data.notes[:3]],
        sections=[section],
        choices=[
            f"{recipe.head} head of {recipe.classes:,} codes"
            if recipe.head == "categorical"
            else f"a mixture of {recipe.mixtures} logistics",
            f"rates {', '.join(map(str, plan.rates))}"
            if set(plan.rates) != {1}
            else f"{len(plan.rates)} blocks without dilation",
            *([f"{recipe.stacks} stacks"] if recipe.stacks > 1 else []),
            f"{recipe.filters} and {recipe.skip_filters} filters",
            f"crops of {recipe.crop:,} samples, loss from their first on",
        ],
        layers=f"Sizes are steps × channels; the receptive field is in samples, of which {plan.sample_rate / 1000:g} are a "
        "millisecond.",
    )


def _spread(recordings: Sequence[Recording], count: int) -> list[Recording]:
    places = np.linspace(0, len(recordings) - 1, min(count, len(recordings)))
    return [recordings[i] for i in np.unique(places.round().astype(int))]


def _stretch(recording: Recording, rate: int) -> tuple[str, Samples]:
    """Its first seconds."""
    return recording.name, recording.samples(0, round(sounds.SECONDS * rate))


def shown(samples: Samples, rate: int, name: str, title: str) -> dict[str, Any]:
    """A sound for a page: its spectrogram and a player; `name` is of this page alone."""
    levels = sounds.spectrogram(samples, rate).astype(np.float32)
    bands = levels.shape[1]
    kilohertz = [k for k in (0, 1, 2, 4, 8, 16) if 2000 * k <= rate]
    ticks = [(2000 * k / rate * (bands - 1), f"{k} kHz") for k in kilohertz]
    axes = drawn_spectrogram(levels, len(samples) / rate, ticks=ticks, limits=_LEVELS, figure=new_figure(4.4, 2.1))
    alt = f"Spectrogram of {len(samples) / rate:.1f} seconds, {title}."
    return {"name": title, "svg": embed.svg(axes, name=name, alt=alt), "sound": sounds.player(samples, rate)}


def _spectra(made: Sequence[Samples], data: GenerationData, rate: int, seed: int) -> Any:
    held = [each.samples() for each in data.test.recordings]
    edges = sounds.band_edges(rate)
    level = float(np.sqrt(np.mean(np.concatenate(held) ** 2)))
    count = round(sounds.SECONDS * sounds.SOUNDS * rate)
    lines = {
        "held-out recordings": sounds.average_spectrum(held, rate),
        "generated": sounds.average_spectrum(made, rate),
        "white noise": sounds.average_spectrum([sounds.white_noise(count, level, seed)], rate),
    }
    axes = average_spectra({name: line.tolist() for name, line in lines.items()}, np.sqrt(edges[1:] * edges[:-1]).tolist())
    return embed.svg(
        axes, name="spectra", alt="Long-term average spectra of held-out recordings, generated sound, white noise."
    )


def _table(test: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [{"name": "this network", "bits": f"{test['bits_per_sample']:.3f}", "gain": "", "first": True}]
    for name, value in test.get("predictors", {}).items():
        gain = value - test["bits_per_sample"]
        rows.append(
            {
                "name": f"linear, {_EACH.get(name, name)}",
                "bits": f"{value:.3f}",
                "gain": f"{abs(gain):.3f} {'fewer' if gain >= 0 else 'more'}",
                "first": False,
            }
        )
    return rows


def _files(test: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row a file: where the network gains least is first."""
    ranked = sorted(test.get("files", {}).items(), key=lambda each: each[1]["predictor"] - each[1]["network"])
    return [
        {"name": name, "network": f"{row['network']:.3f}", "predictor": f"{row['predictor']:.3f}"}
        for name, row in ranked[:_LISTED]
    ]


def _distances(test: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {
        "network": "this network",
        "linear predictor": "linear predictor's noise",
        "white noise": "white noise",
        "training part": "other recordings",
    }
    return [
        {
            "name": names[name],
            "spectrum": f"{row['spectrum']:.1f} dB",
            "timbre": f"{row['timbre']:.1f} dB",
            "first": name == "network",
        }
        for name, row in test.get("sound", {}).items()
    ]


def _seen(plan: Plan, recipe: AudioGeneration, pitch: float | None, held: Sequence[Recording]) -> list[dict[str, Any]]:
    """Lengths as bars of one scale."""
    rate = plan.sample_rate
    lengths = [("the network sees", float(plan.field))]
    if pitch is not None:
        lengths.append((f"one period of the voice ({pitch:.0f} Hz)", rate / pitch))
    lengths.append(("a crop of training", float(recipe.crop)))
    longest = max(length for _, length in lengths)
    return [
        {"name": name, "values": (f"{length:,.0f}", _ms(length, rate)), "percent": f"{100 * length / longest:.1f}"}
        for name, length in lengths
    ]


def _worth(test: Mapping[str, Any]) -> list[str]:
    better = {name: value for name, value in test.get("predictors", {}).items() if value <= test["bits_per_sample"]}
    if not better:
        return []
    best = min(better, key=lambda name: better[name])
    return [
        f"A linear predictor ({_EACH.get(best, best)}) needs {better[best]:.3f} bits per sample, the network "
        f"{test['bits_per_sample']:.3f}: it has not learnt more than that yet. More epochs or --filters help, or more sound."
    ]


def _timbre_note(test: Mapping[str, Any]) -> list[str]:
    found = test.get("sound", {})
    if not found or found["network"]["timbre"] < min(found[name]["timbre"] for name in ("linear predictor", "white noise")):
        return []
    return [
        "What the network generates is no nearer to the recordings than noise is: listen to it. More epochs help, or a lower "
        "temperature: atrous generate RUN --temperature 0.9"
    ]


def _field_note(plan: Plan, pitch: float | None) -> list[str]:
    if pitch is None or plan.field >= 2 * plan.sample_rate / pitch:
        return []
    return [
        f"The network sees {_ms(plan.field, plan.sample_rate)}, and a period of the voice is {1000 / pitch:.1f} ms: it can't "
        "know when the next one begins. Larger --rates reach it."
    ]


def _head(recipe: AudioGeneration) -> str:
    return f"{recipe.classes:,} codes" if recipe.head == "categorical" else f"{recipe.mixtures} logistics"


def _beside(bits: float, predictor: float | None) -> str:
    if predictor is None:
        return ""
    gain = predictor - bits
    return f"the network needs {abs(gain):.3f} {'fewer' if gain >= 0 else 'more'}"


def _ms(samples: float, rate: int) -> str:
    return f"{1000 * samples / rate:.3g} ms"
