"""The pages that TensorFlow's allocator touches for a sequence of allocations: live tensors, and what lies unused between.

With oneDNN, which is how TensorFlow is built for x86 processors, tensors lie in regions that are never given back, each twice
as large as the one before. A freed piece is joined with its free neighbours, and the smallest that fits is taken, and split if
half of it or more would be left over ("best fit with coalescing"). So a chain of equal tensors, two of which are live at once,
takes three.

Source of the rules: TensorFlow's `xla/tsl/framework/bfc_allocator.cc` and `core/common_runtime/mkl_cpu_allocator.h`, 2.21.
"""

from __future__ import annotations

from bisect import bisect_left, insort

GRAIN = 256
"""Sizes are rounded up to it, bytes."""
FIRST_REGION = 2**20 * 2
WASTE = 2**20 * 128
"""A piece is split, whatever its size, if as much would be left over."""
SMALL = 4096
"""Smaller tensors lie elsewhere; here they are not counted."""


class Piece:
    """A stretch of a region: free, or a tensor."""

    __slots__ = ("after", "before", "free", "region", "size", "start", "used")

    def __init__(self, region: int, start: int, size: int) -> None:
        self.region, self.start, self.size = region, start, size
        self.free = True
        self.used = 0
        self.before: Piece | None = None
        self.after: Piece | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """Smallest first, then by address: a new region lies below the older ones."""
        return self.size, -self.region, self.start


class Arena:
    """Bytes asked for, at most and now, and bytes touched."""

    def __init__(self) -> None:
        self.live = self.peak = 0
        self._touched: list[int] = []  # of each region, up to where
        self._free: list[tuple[tuple[int, int, int], Piece]] = []
        self._next = FIRST_REGION

    @property
    def touched(self) -> int:
        """Bytes of memory that were written at least once, which the process keeps."""
        return sum(self._touched)

    def take(self, size: int) -> Piece | None:
        """Allocates; `None` if it is too small to count."""
        if size < SMALL:
            return None
        size = -(-size // GRAIN) * GRAIN
        piece = self._found(size) or self._extended(size)
        if piece.size >= 2 * size or piece.size - size >= WASTE:
            self._split(piece, size)
        piece.free = False
        self._touched[piece.region] = max(self._touched[piece.region], piece.start + size)
        piece.used = size
        self.live += size
        self.peak = max(self.peak, self.live)
        return piece

    def give(self, piece: Piece | None) -> None:
        """Frees."""
        if piece is None:
            return
        self.live -= piece.used
        piece.free = True
        if piece.after is not None and piece.after.free:
            self._forget(piece.after)
            self._join(piece, piece.after)
        if piece.before is not None and piece.before.free:
            self._forget(piece.before)
            self._join(piece.before, piece)
            piece = piece.before
        self._remember(piece)

    def _found(self, size: int) -> Piece | None:
        at = bisect_left(self._free, (size, -len(self._touched), 0), key=lambda entry: entry[0])
        return self._free.pop(at)[1] if at < len(self._free) else None

    def _extended(self, size: int) -> Piece:
        grown = size > self._next
        while size > self._next:
            self._next *= 2
        piece = Piece(len(self._touched), 0, self._next)
        self._touched.append(0)
        if not grown:
            self._next *= 2
        return piece

    def _split(self, piece: Piece, size: int) -> None:
        rest = Piece(piece.region, piece.start + size, piece.size - size)
        rest.before, rest.after, piece.size = piece, piece.after, size
        if rest.after is not None:
            rest.after.before = rest
        piece.after = rest
        self._remember(rest)

    def _join(self, piece: Piece, after: Piece) -> None:
        piece.size += after.size
        piece.after = after.after
        if after.after is not None:
            after.after.before = piece

    def _remember(self, piece: Piece) -> None:
        insort(self._free, (piece.order, piece), key=lambda entry: entry[0])

    def _forget(self, piece: Piece) -> None:
        at = bisect_left(self._free, piece.order, key=lambda entry: entry[0])
        del self._free[at]
