"""What several networks make of silence, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from atrous.report.page import render
from atrous.run import Run
from atrous.tasks.audio_generation import sounds
from atrous.tasks.audio_generation.data import Plan
from atrous.tasks.audio_generation.report import shown


def sections(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """A sound of each run, and a held-out recording of the first."""
    every = []
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        rate = Plan.of(run.config).sample_rate
        (sound,) = sounds.made(run.load_model(), rate, run.config.recipe.seed, sounds=1)
        every.append(shown(sound, rate, f"compared-{number}", name))
    rate, held = Plan.of(runs[0].config).sample_rate, runs[0].load_data().test.recordings[0]
    every.append(shown(held.samples(0, round(sounds.SECONDS * rate)), rate, "compared-real", held.name))
    return [render(__package__ or "", "compare.html", sounds=every, seconds=f"{sounds.SECONDS:g}")]
