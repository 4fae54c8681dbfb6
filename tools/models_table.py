"""Writes the table of docs/models.md anew, from the models themselves.

python tools/models_table.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- begin: written by tools/models_table.py -->\n", "<!-- end -->\n"
LEFT = ("model", "paper")
"""Columns that are read as text; the others are numbers."""


def main() -> None:
    """Puts the table into the page."""
    from atrous.models import table

    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), lines(table.COLUMNS, (row.texts() for row in table.rows()))))


def lines(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """The table in Markdown."""
    rule = tuple("---" if column in LEFT else "---:" for column in columns)
    every = (columns, rule, *((f"`{name}`", *others[:-1], _link(others[-1])) for name, *others in rows))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in every)


def replaced(page: str, table: str) -> str:
    """The page with this table."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + table + "\n" + END + rest.partition(END)[2]


def _link(paper: str) -> str:
    kind, _, name = paper.partition(" ")
    return {"arXiv": f"[{name}](https://arxiv.org/abs/{name})", "doi": f"[{name}](https://doi.org/{name})"}.get(kind, paper)


if __name__ == "__main__":
    main()
