"""Tiny recordings of a made-up voice: pulses of a pitch through a resonance, with breath and pauses."""

import numpy as np
import soundfile


def voice(samples, seed=0, sample_rate=8000, pitch=200.0, level=0.3):
    draw = np.random.default_rng(seed)
    pulses = (np.arange(samples) % round(sample_rate / pitch) == 0).astype(float) + 0.05 * draw.normal(size=samples)
    pulses *= 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples) / (0.4 * sample_rate) + seed) > 0.2
    radius, angle = 0.95, 2 * np.pi * 800 / sample_rate
    sound = np.zeros(samples + 2)
    for t in range(samples):
        sound[t + 2] = pulses[t] + 2 * radius * np.cos(angle) * sound[t + 1] - radius**2 * sound[t]
    sound = sound[2:] + 0.002 * draw.normal(size=samples)
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def write(file, samples, sample_rate=8000, **more):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, sample_rate, **more)
    return file


def folder(place, files=12, samples=4000):
    """Some in the training part, two in the test."""
    rows = ["path,split,kind"]
    for i in range(files):
        write(place / "sounds" / f"{i:02}.wav", voice(samples + 100 * i, i))
        rows.append(f"sounds/{i:02}.wav,{'val' if i >= files - 2 else 'train'},{'voice' if i else 'other'}")
    (place / "list.csv").write_text("\n".join(rows) + "\n")
    return place
