"""What recipes for the tasks of Bai, Kolter and Koltun 2018 choose in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous import schedules
from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_number, parse_rates

NETWORKS = ("tcn", "lstm", "gru")


@dataclass(frozen=True, kw_only=True)
class SequenceModelling(Recipe):
    """How a network is trained on sequences: a TCN, or one recurrent layer with as many parameters.

    Args:
        network: One of `NETWORKS`. The width of a recurrent layer follows from the TCN that the other choices describe.
        rates: Dilation rate of each block; `()`: 1, 2, 4, …. `1` alone stands for as many blocks without dilation.
        blocks: Number of blocks, if `rates` doesn't say it; `None`: until the field covers what `needs` says.
        filters: Channels of each block.
        kernel_size: Taps of each convolution, two a block.
        dropout: Share of values dropped behind each convolution in training; of a recurrent network, of its outputs.
        spatial_dropout: Whether whole channels of the TCN are dropped, as the paper says; single values are by its code.
        input_dropout: Share of the values of the input dropped in training.
        clip: Largest norm of the gradient, of all weights together; 0: the gradient as it is.

    Raises:
        ValueError: A value breaks its rule.
    """

    network: str = option("tcn", f"{', '.join(NETWORKS)}; the recurrent ones with as many parameters.")
    rates: tuple[int, ...] = option((), "Of each block; 1: no dilation. Default: 1,2,4,….")
    blocks: int | None = option(None, "Number of blocks, if rates don't say it.")
    filters: int = option(24, "Channels of each block.")
    kernel_size: int = option(8, "Taps of each convolution, two a block.")
    dropout: float = option(0.0, "Share of values dropped behind each convolution in training.")
    spatial_dropout: bool = option(False, "Drop whole channels, not single values.")
    input_dropout: float = option(0.0, "Share of the input's values dropped in training.")
    clip: float = option(0.0, "Largest norm of the gradient, of all weights together; 0: as it is.")

    channels: ClassVar[int]
    """Of a step of the input."""
    outputs: ClassVar[int]
    """Of a step of the output."""
    last: ClassVar[bool] = False
    """Whether only the last step says something."""
    examples: ClassVar[str] = "sequences"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_choice("network", self.network, NETWORKS)
        for name in ("filters", "kernel_size"):
            self._set(name, parse_integer(name, getattr(self, name)))
        if self.blocks is not None:
            self._set("blocks", parse_integer("blocks", self.blocks))
        if self.kernel_size < 2:
            raise ValueError(
                f"`kernel_size` must be at least 2, or nothing but the last step is seen. Received: {self.kernel_size}."
            )
        self._set("rates", parse_rates(self.rates, "one a block") if self.rates != () else ())
        for name, most in (("dropout", 1), ("input_dropout", 1), ("clip", float("inf"))):
            if getattr(self, name) != 0:
                self._set(name, parse_number(name, getattr(self, name), 0, most))

    @property
    def needs(self) -> int:
        """Steps that the network must see to do all of the task; 0 if nobody knows."""
        return 0

    @property
    def schedule(self) -> tuple[int, ...]:
        """Dilation rate of each block."""
        if self.rates and self.rates != (1,):
            return self.rates
        blocks = self.blocks or 1
        while self.blocks is None and self._field(schedules.powers_of_two(blocks)) < self.needs:
            blocks += 1
        return (1,) * blocks if self.rates else schedules.powers_of_two(blocks)

    @property
    def field(self) -> int | None:
        """Steps that the last one sees; `None` of a recurrent network, which sees all."""
        return self._field(self.schedule) if self.network == "tcn" else None

    def _field(self, rates: tuple[int, ...]) -> int:
        return schedules.field_size([self.kernel_size] * 2 * len(rates), [rate for rate in rates for _ in range(2)])

    @property
    def tcn_parameters(self) -> int:
        """Weights of the TCN: in each unit taps, bias and scale; a 1×1 where the channels change; the output."""
        k, f, c = self.kernel_size, self.filters, self.channels
        first = k * c * f + 2 * f + (k * f * f + 2 * f) + (c * f + f if c != f else 0)
        return first + (len(self.schedule) - 1) * 2 * (k * f * f + 2 * f) + (f + 1) * self.outputs

    def recurrent_parameters(self, units: int) -> int:
        """Weights of a recurrent network of that width: kernels and biases of each gate, and the output."""
        of_gate = units * (units + self.channels) + units
        gates = 4 * of_gate if self.network == "lstm" else 3 * (of_gate + units)
        return gates + (units + 1) * self.outputs

    @property
    def units(self) -> int:
        """Width of the recurrent layer: that with the number of parameters nearest to the TCN's."""
        wanted, units = self.tcn_parameters, 1
        while self.recurrent_parameters(units + 1) <= wanted:
            units += 1
        over = self.recurrent_parameters(units + 1) - wanted
        return units if wanted - self.recurrent_parameters(units) <= over else units + 1

    @property
    def described(self) -> str:
        """The network in a few words."""
        if self.network != "tcn":
            return f"{self.network.upper()} of {self.units:,} units, {self.recurrent_parameters(self.units):,} parameters"
        rates = self.schedule
        told = f"rates {', '.join(map(str, rates))}" if set(rates) != {1} else f"{len(rates)} blocks without dilation"
        return f"TCN, {told}, sees {self.field:,} steps"

    def summary(self, facts: Mapping[str, Any]) -> str:
        """The network."""
        return f"· {self.described}"
