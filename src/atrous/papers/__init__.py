"""Tables that papers print, with what these networks reach beside."""

from atrous.papers.bai2018 import BAI2018
from atrous.papers.table import Measured, Paper, Row, measure

PAPERS = {"bai2018": BAI2018}
"""By the name that `atrous bench-paper` takes."""

__all__ = ["BAI2018", "PAPERS", "Measured", "Paper", "Row", "measure"]
