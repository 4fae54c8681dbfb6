"""What a recipe chooses whose network may begin with the weights of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from atrous.tasks.recipe import Recipe, option, parse_choice

FREEZES = ("none", "backbone")


@dataclass(frozen=True, kw_only=True)
class FineTuning(Recipe):
    """Where the first weights come from, and which of them stay.

    Args:
        weights: A `.keras` or `.weights.h5` file that weights of equal names and shapes are taken from; or `"imagenet"`, for a
            backbone of `keras.applications`.
        freeze: `"backbone"`: its weights, and what its batch normalisation has seen, stay as they are.
        from_run: A run to fine-tune: the same network with its weights, but for a last layer with the new classes.

    Raises:
        ValueError: A value breaks its rule.
    """

    weights: str | None = option(None, "Weights to begin with; or imagenet, for keras.applications.", "FILE")
    freeze: str = option("none", f"{', '.join(FREEZES)}: its weights stay as they are.")
    from_run: str | None = option(None, "Fine-tune this run's network; its classes may be others.", "RUN", "--from")

    network_choices: ClassVar[tuple[str, ...]] = ()
    """What a network is made by: `from_run` takes it from the other run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in (None, "imagenet"):
            self._set("weights", str(Path(self.weights).expanduser().absolute()))
        parse_choice("freeze", self.freeze, FREEZES)

    def replace(self, options: Mapping[str, Any]) -> Self:
        """Returns the recipe with a user's options applied; with `from_run`, that run's network comes first.

        Raises:
            ValueError: There is no such option, or its value breaks a rule; or the run is of another task.
            FileNotFoundError: There is no such run.
        """
        if options.get("from_run") is None:
            return super().replace(options)
        from atrous.run import Run

        given = {name: value for name, value in options.items() if value is not None}
        folder = Path(given["from_run"]).expanduser().absolute()
        recipe = Run(folder).config.recipe
        if not isinstance(recipe, type(self)):
            raise ValueError(f"`from_run` must be a run of {self.task}. Received: from_run={str(folder)!r}, of {recipe.task}.")
        same = {name: getattr(recipe, name) for name in self.network_choices}
        return super().replace({**same, **given, "from_run": str(folder)})
