"""The options of all recipes, for whoever checks types; each is described in the recipe of its task."""

from __future__ import annotations

from typing import TypedDict


class Options(TypedDict, total=False):
    """The choices of a recipe that a user may change; a task takes those that its recipe has."""

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    decay: str | None
    mixed_precision: bool | None
    early_stopping: int | None
    seed: int | None
    rates: int | tuple[int, ...] | list[int] | None
    depth: int | None
    reduction: int | None
    head: str | None
    dropout: float | None
    augment: bool | str | tuple[str, ...] | list[str] | None
    image_size: int | tuple[int, int] | list[int] | None
    network: str | None
    backbone: str | None
    output_stride: int | None
    filters: int | None
    widths: tuple[int, ...] | list[int] | None
    crop_size: int | tuple[int, int] | list[int] | None
    scales: float | tuple[float, float] | list[float] | None
    class_weights: str | None
    confidence: float | None
    overlap: float | None
    weights: str | None
    freeze: str | None
    from_run: str | None
    strict: bool | None
    resize: str | None
    horizon: int | None
    look_back: int | None
    season: int | None
    quantiles: float | tuple[float, ...] | list[float] | None
    time: str | None
    target: str | None
    series: str | None
    known: str | None
    blocks: int | None
    kernel_size: int | None
    residual: bool | None
    stride: int | None
    windows: int | None
    variant: str | None
    sites: str | None
    splits: str | None
    shares: tuple[float, ...] | list[float] | None
    types: str | tuple[str, ...] | list[str] | None
    one_based: bool | None
    window: int | None
    around: float | None
    mutate: float | None
    mels: int | None
    sample_rate: int | None
    seconds: float | None
    normalize_level: bool | None
    time_masks: int | None
    frequency_masks: int | None
    file: str | None
    label: str | None
    split: str | None
    normalize: str | None
    validation: float | None
    cases: int | None
    clip: float | None
    spatial_dropout: bool | None
    input_dropout: float | None
    data_set: str | None
    length: int | None
    sequences: int | None
    stacks: int | None
    skip_filters: int | None
    input_kernel_size: int | None
    classes: int | None
    mixtures: int | None
    crop: int | None
    crops: int | None
    trim: bool | None
    where: str | None
