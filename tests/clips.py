"""Sounds that NumPy makes, in folders."""

import numpy as np
import soundfile

RATE = 8000


def tone(hertz, seconds=0.4, rate=RATE, level=0.3, seed=0):
    """A sine in some noise."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    return (level * np.sin(2 * np.pi * hertz * time) + level * noise).astype(np.float32)


def chirp(seconds=0.4, rate=RATE, level=0.3, seed=0):
    """From 300 to 3,000 Hz."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (300 * time + 2700 * time**2 / (2 * seconds))
    return (level * np.sin(phase) + level * np.random.default_rng(seed).normal(0, 0.02, len(time))).astype(np.float32)


def write(file, samples, rate=RATE, **more):
    """Writes a file and the folders to it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, **more)
    return file


def folder(root, each=12, seconds=0.3, first=0):
    """Three classes: low and high tones, and chirps."""
    for i in range(first, first + each):
        length = seconds * (0.7 + 0.6 * (i % 3) / 2)
        write(root / "low" / f"{i}.wav", tone(300 + 20 * (i % 10), length, seed=i))
        write(root / "high" / f"{i}.flac", tone(2500 + 30 * (i % 10), length, seed=i))
        write(root / "chirp" / f"{i}.wav", chirp(length, seed=i))
    return root
