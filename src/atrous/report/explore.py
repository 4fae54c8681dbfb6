"""The explorer: a page where a stack of convolutions is edited and shows at once what it sees and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import jinja2
from markupsafe import Markup

from atrous.run import replacing
from atrous.spec import parse_integer

SCRIPTS = ("arithmetic.js", "repair.js", "drawing.js", "stacks.js", "wording.js", "editor.js")
"""The page's scripts, in the order in which they name each other."""

MARK = '<meta name="generator" content="atrous explore">'
"""Stands in every page that `write_explore` writes, and allows it to replace one."""

LIMITS = {
    "kernel_size": 1024,
    "dilation_rate": 65536,
    "strides": 1024,
    "filters": 65536,
    "size": 10**8,
    "channels": 65536,
    "rows": 256,
}
"""The largest values that the page takes."""

_LETTERS = {"conv": "", "depthwise": "d", "pool": "p"}


@dataclass(frozen=True)
class Row:
    """One layer of a stack, the same along all axes.

    Args:
        kernel_size: Taps along each axis.
        dilation_rate: Positions between taps.
        strides: Positions between outputs.
        filters: Output channels; has no meaning unless `kind` is `"conv"`.
        kind: What the layer costs: a convolution, a depthwise one, or pooling.

    Raises:
        ValueError: A number is not positive, or larger than in `LIMITS`.
    """

    kernel_size: int
    dilation_rate: int = 1
    strides: int = 1
    filters: int = 32
    kind: Literal["conv", "depthwise", "pool"] = "conv"

    def __post_init__(self) -> None:
        for name in ("kernel_size", "dilation_rate", "strides", "filters"):
            _check(name, getattr(self, name))


@dataclass(frozen=True)
class Stack:
    """What the explorer starts with.

    Args:
        rows: The layers, first to last.
        rank: Number of spatial axes, 1 or 2.
        size: Length of the input along each axis.
        channels: Channels of the input.
        causal: Whether all padding is in front; one axis only.

    Raises:
        ValueError: A number is not positive, or larger than in `LIMITS`.
    """

    rows: tuple[Row, ...]
    rank: int = 2
    size: int = 64
    channels: int = 3
    causal: bool = False

    def __post_init__(self) -> None:
        _check("size", self.size)
        _check("channels", self.channels)
        if len(self.rows) > LIMITS["rows"]:
            raise ValueError(f"`rows` must be at most {LIMITS['rows']}. Received: {len(self.rows)} rows.")
        if self.rank not in (1, 2) or (self.causal and self.rank != 1):
            raise ValueError(f"`rank` must be 1 or 2, and 1 if causal. Received: rank={self.rank}, causal={self.causal}.")

    @classmethod
    def parse(cls, rates: int | Sequence[int], kernel_size: int | Sequence[int] = 3, strides: int | Sequence[int] = 1) -> Stack:
        """Makes a stack of convolutions over images.

        Args:
            rates: Dilation rate of each layer, first to last.
            kernel_size: Kernel size of all layers, or one a layer.
            strides: Stride of all layers, or one a layer.

        Raises:
            ValueError: An argument breaks its rule, or has another number of entries than `rates`.
        """
        every = _entries(rates)
        if not every:
            raise ValueError("`rates` must have at least one rate, one a layer. Received: rates=().")
        kernels, steps = (
            _spread(name, value, len(every)) for name, value in (("kernel_size", kernel_size), ("strides", strides))
        )
        return cls(tuple(Row(*row) for row in zip(kernels, every, steps, strict=True)))

    @property
    def address(self) -> str:
        """The stack as it stands behind the # of the page's address, such as `explore=2d,64,3;3c32,3r2c32,p2s2`."""
        causal = "-causal" if self.causal else ""
        return f"explore={self.rank}d{causal},{self.size},{self.channels};{','.join(map(_word, self.rows))}"


DEFAULT_RATES = (1, 2, 5)


def explore_page(stack: Stack | None = None, title: str | None = None) -> str:
    """The explorer as an HTML page that opens from disk and loads nothing.

    Args:
        stack: What it starts with; three 3×3 layers at rates 1, 2, 5 by default. A stack in the page's address goes first.
        title: Its heading.
    """
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_read("page.html"))
    return page.render(
        title=title or "Explore a stack of dilated convolutions",
        mark=Markup(MARK),
        palette=palette(),
        section=explore_section(stack),
    )


def explore_section(stack: Stack | None = None) -> Markup:
    """The explorer as a part of a page that defines the colours of `palette`: one element with its style and script.

    Its classes and ids begin with `explore`; a page can hold one.

    Args:
        stack: What it starts with.
    """
    section = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_read("section.html"))
    return Markup(
        section.render(
            stack=(stack or Stack.parse(DEFAULT_RATES)).address,
            limits=LIMITS,
            style=Markup(_read("style.css")),
            script=Markup("\n".join(map(_read, SCRIPTS))),
        )
    )


def write_explore(path: str | Path, stack: Stack | None = None, title: str | None = None) -> Path:
    """Writes the page of `explore_page`, in place of an earlier one.

    Args:
        path: Where to.
        stack: What it starts with.
        title: Its heading.

    Returns:
        The path.

    Raises:
        FileExistsError: The file exists and is something else.
    """
    path = Path(path)
    if path.exists() and not _is_page(path):
        raise FileExistsError(
            f"`path` must be new, or a page that atrous explore wrote. Received: path={str(path)!r}, which is something else. "
            "Name another file."
        )
    with replacing(path) as file:
        file.write_text(explore_page(stack, title), encoding="utf-8")
    return path


def palette() -> Markup:
    """The colours and fonts that all pages share, as CSS."""
    return Markup(resources.files("atrous.report").joinpath("palette.css").read_text("utf-8"))


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(4096)


def _check(name: str, value: int) -> None:
    if parse_integer(name, value) > LIMITS[name]:
        raise ValueError(f"`{name}` must be at most {LIMITS[name]}. Received: {name}={value}.")


def _entries(value: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _spread(name: str, value: int | Sequence[int], depth: int) -> tuple[int, ...]:
    entries = _entries(value)
    if len(entries) == 1:
        return entries * depth
    if len(entries) != depth:
        raise ValueError(
            f"`{name}` must be one for all layers or one a layer, {depth} as in `rates`. Received: {name}={value!r}."
        )
    return entries


def _word(row: Row) -> str:
    rate = f"r{row.dilation_rate}" if row.dilation_rate > 1 else ""
    stride = f"s{row.strides}" if row.strides > 1 else ""
    return f"{_LETTERS[row.kind]}{row.kernel_size}{rate}{stride}{f'c{row.filters}' if row.kind == 'conv' else ''}"


def _read(name: str) -> str:
    return resources.files("atrous.report").joinpath("explorer", name).read_text("utf-8")
