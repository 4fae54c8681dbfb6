"""What dilation buys a classifier of sound: on the spectrogram and on the waveform, each beside itself with every rate 1.

    python benchmarks/audio_with_and_without_dilation.py --data FOLDER [--epochs N] [--seeds N] [--output FOLDER]
    python benchmarks/audio_with_and_without_dilation.py --data order      # two tones, made here: which comes first?

The two of a pair have as many weights, and all are trained by the same loop for as many epochs on the same clips. Beside them
stand the most frequent class, and the five nearest training clips in length and loudness. Seconds are the processor's, of
training, test and page. The table goes to the terminal, the runs to the output folder, where `atrous compare` finds them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from with_and_without import alone, of_run, slug, spread

NETWORKS: dict[str, dict[str, Any]] = {
    "mel": {},
    "mel, rates 1": {"rates": 1},
    "raw": {"network": "raw"},
    "raw, rates 1": {"network": "raw", "rates": 1},
}


RATE = 8000  # Hz of what is made here
PITCHES = {"up": (600, 1500), "down": (1500, 600)}  # Hz
GAP = (0.35, 0.6)  # seconds between the tones


def main(
    data: Annotated[str, typer.Option(help="What `atrous train audio-classification --data` takes, or: order.")],
    epochs: Annotated[int | None, typer.Option(help="Of every network; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    networks: Annotated[str, typer.Option(help="Which of them, numbers with commas between.")] = "1,2,3,4",
) -> None:
    """Trains every network with every seed and prints the table."""
    chosen = [list(NETWORKS)[int(number) - 1] for number in networks.split(",")]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        if data == "order":
            data = str(order(Path(temporary) / "order"))
        for seed in range(seeds):
            for name in chosen:
                options = {"data": str(Path(data).absolute()), "epochs": epochs, "seed": seed, **NETWORKS[name]}
                results[name].append(alone(train, folder / f"{slug(name).replace(',', '')}-{seed}", options))
                found = results[name][-1]
                told = f"accuracy={found['accuracy']:.4f} macro_f1={found['macro_f1']:.4f} processor={found['processor']:.0f}"
                print(f"seed={seed} network={name!r} {told}", flush=True)
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))


def train(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous
    from atrous.models.audio import field_seconds
    from atrous.tasks.audio_classification import baselines
    from atrous.tasks.audio_classification.network import rates_of

    begin = time.process_time()
    run = atrous.train("audio-classification", output=output, quiet=True, **options)
    seconds = time.process_time() - begin
    recipe, rate = run.config.recipe, run.config.facts["sound"]["sample_rate"]
    return {
        **{name: (run.test or {})[name] for name in ("accuracy", "macro_f1")},
        "field": field_seconds(recipe.network, rate, rates_of(recipe, rate)),
        "others": {each.name: (each.accuracy, each.macro_f1) for each in baselines.of_run(run, run.load_data())},
        "processor": seconds,
        **of_run(run),
    }


def order(folder: Path) -> Path:
    """Makes clips of two short tones, about half a second apart: what each class has is the same, but for the order."""
    import soundfile

    draw = np.random.default_rng(0)

    def beep(hertz: float) -> NDArray[np.float32]:
        time = np.arange(round(0.08 * RATE)) / RATE
        noise = np.random.default_rng(int(draw.integers(1e6))).normal(0, 0.02, len(time))
        return (0.3 * np.sin(2 * np.pi * hertz * time) + 0.3 * noise).astype(np.float32)

    def quiet(seconds: float) -> NDArray[np.float32]:
        return draw.normal(0, 0.006, round(seconds * RATE)).astype(np.float32)

    def clip(first: float, second: float) -> NDArray[np.float32]:
        gap = draw.uniform(*GAP)
        return np.concatenate(
            [
                quiet(draw.uniform(0.02, 0.2)),
                beep(first * draw.uniform(0.95, 1.05)),
                quiet(gap),
                beep(second * draw.uniform(0.95, 1.05)),
                quiet(draw.uniform(0.02, 0.2)),
            ]
        )

    for part, count in {"train": 100, "val": 30, "test": 60}.items():
        for i in range(count):
            for name, pitches in PITCHES.items():
                (folder / part / name).mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / part / name / f"{i}.wav", clip(*pitches), RATE)
    return folder


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a network, and a row a rule without one."""
    found = Table(
        "classes are told by", "parameters", "sees", "processor seconds", "accuracy", "macro F1", "accuracy of each seed"
    )
    for name, runs in results.items():
        each = " ".join(f"{run['accuracy']:.4f}" for run in runs)
        cells = [f"{runs[0]['parameters']:,}", f"{runs[0]['field']:.2f} s", f"{mean(run['processor'] for run in runs):.0f}"]
        found.add_row(name, *cells, *(spread([run[figure] for run in runs]) for figure in ("accuracy", "macro_f1")), each)
    for name, (accuracy, macro_f1) in next(iter(results.values()))[0]["others"].items():
        found.add_row(name, "", "", "", f"{accuracy:.4f}", f"{macro_f1:.4f}", "")
    return found


if __name__ == "__main__":
    typer.run(main)
