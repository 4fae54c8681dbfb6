"""Tiny series in CSV: a day's wave by the hour, with noise."""

import numpy as np
import pandas as pd


def wave(steps, seed=0, noise=0.05, period=24):
    draw = np.random.default_rng(seed)
    return np.round(10 + np.sin(2 * np.pi * np.arange(steps) / period) + noise * draw.normal(size=steps), 4)


def hours(steps, start="2024-01-01"):
    return pd.date_range(start, periods=steps, freq="h")


def table(steps=600, **columns):
    return pd.DataFrame({"timestamp": hours(steps).strftime("%Y-%m-%dT%H:%M"), "value": wave(steps), **columns})


def write(file, frame):
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(file, index=False)
    return file
