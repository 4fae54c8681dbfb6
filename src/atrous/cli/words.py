"""Numbers as people type them."""

from __future__ import annotations

from typing import Any

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def integers(name: str, text: str | None) -> int | tuple[int, ...] | None:
    """One integer, or several with commas between."""
    if text is None:
        return None
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError:
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"`{flag}` must be integers with commas between. Received: {flag} {text}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers with commas between."""
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"`{flag}` must be numbers with commas between. Received: {flag} {text}") from None


def given(**options: Any) -> dict[str, Any]:
    """The options that were given: neither `None` nor a flag that isn't set."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def size_in_bytes(name: str, text: str) -> int:
    """Bytes, from a number with or without a unit: 8G, 512MiB, 1.5t, 4096. Units are powers of 1024."""
    word = text.strip().lower().removesuffix("ib").removesuffix("b")
    number, unit = (word[:-1], word[-1]) if word[-1:] in _UNITS and word else (word, "")
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"`{flag}` must be a positive number of bytes, such as 8G or 512M. Received: {flag} {text}")
    return size
