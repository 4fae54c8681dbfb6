"""A paper's table: what is trained for each of its entries, each a run that is kept, so that a killed table goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atrous import recipes
from atrous.run import Run


@dataclass(frozen=True)
class Network:
    """A column.

    Args:
        name: In figures of a paper, and of folders.
        title: As people call it.
        options: Of `atrous.train`.
    """

    name: str
    title: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A row.

    Args:
        name: What `--only` takes, and of folders.
        title: As people call it.
        task: One of `atrous.tasks.TASKS`.
        figure: Of test.json; less is better.
        options: Of `atrous.train`.
        quick: Options for a look whether all works.
        published: The paper's figure, by the network's name.
        more: Other figures of test.json that are told.
        kind: Of data, by which the recipe is chosen.
        needs_data: Whether there must be a folder.
    """

    name: str
    title: str
    task: str
    figure: str
    options: Mapping[str, Any]
    quick: Mapping[str, Any]
    published: Mapping[str, float] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    kind: str = ""
    needs_data: bool = False


@dataclass(frozen=True)
class Paper:
    """A table.

    Args:
        name: What the command takes.
        title: Authors, year, where it is.
        networks: The columns.
        rows: The rows.
    """

    name: str
    title: str
    networks: tuple[Network, ...]
    rows: tuple[Row, ...]

    def chosen(self, only: Sequence[str]) -> tuple[Row, ...]:
        """The rows of these names, or all.

        Raises:
            ValueError: There is no such row.
        """
        names = [row.name for row in self.rows]
        for name in only:
            if name not in names:
                raise ValueError(f"`only` must be one of {', '.join(names)}. Received: only={name!r}.")
        return tuple(row for row in self.rows if not only or row.name in only)


@dataclass(frozen=True)
class Measured:
    """An entry.

    Args:
        row: Which row.
        network: Which column.
        published: The paper's figure, if there is one.
        ours: That of each run.
        more: Other figures, each of each run.
        parameters: Of the network.
        epochs: That each run took.
        folders: The runs.
    """

    row: str
    network: str
    published: float | None
    ours: tuple[float, ...]
    more: dict[str, tuple[float, ...]]
    parameters: int
    epochs: tuple[int, ...]
    folders: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Of the runs."""
        return sum(self.ours) / len(self.ours)


def measure(
    paper: Paper,
    output: Path,
    data: Path | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    seeds: int = 1,
    train: Callable[..., Run] | None = None,
) -> Iterator[Measured]:
    """Trains what isn't trained yet, and gives each entry as it is known.

    Args:
        paper: The table.
        output: Folder of the runs. Those that are finished are taken as they are, one that was stopped goes on.
        data: For the rows that need data; without, they are left out.
        only: Names of rows; none: all.
        quick: Tiny networks and few examples: a look whether all works.
        seeds: Runs of each entry.
        train: What trains, by default `atrous.train`.

    Raises:
        ValueError: There is no such row, or a run of the folder was trained with other options.
    """
    if train is None:
        from atrous import workflow

        train = workflow.train
    for row in paper.chosen(only):
        if row.needs_data and data is None:
            continue
        for network in paper.networks:
            runs = [_run(paper, row, network, output, data, quick, seed, train) for seed in range(seeds)]
            tests = [run.test or {} for run in runs]
            yield Measured(
                row=row.name,
                network=network.name,
                published=row.published.get(network.name),
                ours=tuple(test[row.figure] for test in tests),
                more={name: tuple(test[name] for test in tests) for name in row.more},
                parameters=runs[0].load_model().count_params(),
                epochs=tuple(len(run.metrics) for run in runs),
                folders=tuple(str(run.path) for run in runs),
            )


def _run(
    paper: Paper,
    row: Row,
    network: Network,
    output: Path,
    data: Path | None,
    quick: bool,
    seed: int,
    train: Callable[..., Run],
) -> Run:
    options = {**row.options, **(row.quick if quick else {}), **network.options, "seed": seed}
    folder = output / f"{row.name}-{network.name}-{seed}"
    if not (folder / "config.json").exists():
        source = str(data) if row.needs_data else None
        return train(row.task, source, output=folder, **options)
    run = Run(folder)
    asked = recipes.find(row.task, row.kind).replace(options)
    if run.config.recipe != asked:
        other = [name for name in asked.options() if getattr(asked, name) != getattr(run.config.recipe, name, None)]
        raise ValueError(
            f"{str(folder)!r} must be a run of this table. Received: one with other {', '.join(other) or 'data'}. "
            "Choose another folder: --output FOLDER"
        )
    return run if run.finished else train(resume=run)
