"""Run folder in, one self-contained HTML page out; and the page where a stack is explored, which needs no run and no Keras."""

from typing import TYPE_CHECKING, Any

from atrous.report.explore import Row, Stack, explore_page, explore_section, write_explore

if TYPE_CHECKING:
    from atrous.report.page import write

__all__ = ["Row", "Stack", "explore_page", "explore_section", "write", "write_explore"]


def __getattr__(name: str) -> Any:
    if name != "write":
        raise AttributeError(f"module 'atrous.report' has no attribute {name!r}")
    from atrous.report.page import write

    return write
