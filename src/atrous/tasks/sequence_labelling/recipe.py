"""What a recipe for sequence labelling chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_number, parse_rates

VARIANTS = ("80nt", "400nt", "2k", "10k")
"""Names of `atrous.models.SpliceNet`'s: how many bases around one decide its label."""


@dataclass(frozen=True, kw_only=True)
class SequenceLabelling(Recipe):
    """How SpliceNet is trained to label every base of DNA.

    Args:
        variant: One of `VARIANTS`; `None`: the one that was best on as many sites, see `sequence_labelling.plan`.
        rates: Dilation rate of each stage; `()`: the variant's. `1` alone makes the same network without dilation.
        filters: Channels of every layer but the last.
        blocks: Residual blocks in each stage.
        sites: File of the sites; by default found in the folder of the FASTA.
        splits: File of the stretches for training, validation and test; by default found there, or else cut by `shares`.
        shares: Of the sites for training, validation and test, where no file says it.
        types: What sites may be called, with commas between; each is a label.
        one_based: Whether positions in a table of sites count from 1.
        window: Bases that are labelled in a window of training; the network sees more on both sides.
        windows: Windows drawn in an epoch.
        around: Share of the windows that are laid around a site; the others are anywhere.
        mutate: Share of the bases that are replaced by any base in training.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "sequence-labelling"
    metric: str = "ap"
    batch_size: int = option(8, "Windows a step.")
    variant: str | None = option(
        None, f"Network, by the bases that it sees: {', '.join(VARIANTS)}. Default: by the number of sites.", "NAME"
    )
    rates: tuple[int, ...] = option((), "Of each stage; 1: no dilation. Default: those of the variant.")
    filters: int = option(32, "Channels of each layer.")
    blocks: int = option(4, "Residual blocks in each stage.")
    sites: str | None = option(None, "Table or BED of the sites. Default: found in the folder.", "FILE")
    splits: str | None = option(
        None, "Table or BED of what is for train, validation, test. Default: found in the folder.", "FILE"
    )
    shares: tuple[float, ...] = option((0.7, 0.1, 0.2), "Shares of the sites in each part, where no file says it.", "X,X,X")
    types: str = option("acceptor,donor", "What sites are called, each a label.", "NAME,…")
    one_based: bool = option(False, "Positions in a table of sites count from 1.")
    window: int = option(1000, "Bases labelled in a window of training.", "BASES")
    windows: int = option(600, "Windows drawn in an epoch.")
    around: float = option(0.5, "Share of the windows that have a site; the others are anywhere.", "X")
    mutate: float = option(0.1, "Share of the bases replaced by any base in training.", "X")

    facts: ClassVar[tuple[str, ...]] = ("plan", "names", "sites_of")
    examples: ClassVar[str] = "windows"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant is not None:
            parse_choice("variant", self.variant, VARIANTS)
        for name in ("filters", "blocks", "window", "windows"):
            self._set(name, parse_integer(name, getattr(self, name)))
        self._set("rates", parse_rates(self.rates, "one for all stages, or one a stage") if self.rates != () else ())
        for name in ("around", "mutate"):
            if getattr(self, name) not in (0, 1):
                self._set(name, parse_number(name, getattr(self, name), 0, 1))
        given = self.shares if isinstance(self.shares, (tuple, list)) else (self.shares,)
        self._set("shares", tuple(parse_number("shares", each, 0, 1) for each in given))
        if len(self.shares) != 3 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"`shares` must be three shares that add up to 1. Received: shares={self.shares}.")
        if isinstance(self.types, (tuple, list)):
            self._set("types", ",".join(self.types))
        if not self.names or len(set(self.names)) < len(self.names) or not all(self.names):
            raise ValueError(f"`types` must be different names, with commas between. Received: types={self.types!r}.")
        for name in ("sites", "splits"):
            value = getattr(self, name)
            if value is not None:  # a run can be resumed from elsewhere; else it is looked for beside the FASTA
                path = Path(value).expanduser()
                self._set(name, str(path.absolute() if path.is_file() else value))

    @property
    def names(self) -> tuple[str, ...]:
        """What sites are called: label 1 is the first."""
        return tuple(name.strip() for name in str(self.types).split(","))

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Sites, network, what it sees."""
        plan = facts["plan"]
        seen = 1 + sum(2 * plan["blocks"] * (taps - 1) * rate for taps, rate in plan["stages"])
        sites = ", ".join(f"{count:,} {name}s" for name, count in facts["sites_of"].items())
        rates = ", ".join(str(rate) for _, rate in plan["stages"])
        return f"of {self.window:,} bases with {sites} · {plan['variant']}, rates {rates}, sees {seen:,} bases"
