"""Run folder in, one self-contained HTML page out."""

from atrous.report.page import write

__all__ = ["write"]
