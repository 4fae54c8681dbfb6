"""pandas, if it is installed."""

from __future__ import annotations

import importlib
from typing import Any


def pandas() -> Any:
    """The module.

    Raises:
        ImportError: It isn't installed.
    """
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError("Series need pandas and statsmodels: pip install 'atrous[forecasting]'") from error
