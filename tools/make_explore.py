"""Writes docs/explore.html, the explorer that `atrous explore` writes.

python tools/make_explore.py
"""

from pathlib import Path

from atrous.report import write_explore

PAGE = Path(__file__).parents[1] / "docs" / "explore.html"

if __name__ == "__main__":
    write_explore(PAGE)
