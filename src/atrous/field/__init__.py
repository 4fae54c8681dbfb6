"""What a network sees before it is trained: receptive fields, gridding, cost, and the design of networks that see enough.

Names are loaded on first use: design needs no Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atrous.field.analysis import analyze
    from atrous.field.axis import AxisField, AxisMap
    from atrous.field.budgeting import Budget, budget, budget_table
    from atrous.field.designing import design
    from atrous.field.effective import EffectiveField, effective_field
    from atrous.field.probing import Check, Verification, verify
    from atrous.field.registry import register
    from atrous.field.report import LayerReport, Report
    from atrous.field.taps import tap_spans

_HOMES = {
    "Budget": "budgeting",
    "budget": "budgeting",
    "budget_table": "budgeting",
    "AxisField": "axis",
    "AxisMap": "axis",
    "Check": "probing",
    "EffectiveField": "effective",
    "LayerReport": "report",
    "Report": "report",
    "Verification": "probing",
    "analyze": "analysis",
    "design": "designing",
    "effective_field": "effective",
    "register": "registry",
    "tap_spans": "taps",
    "verify": "probing",
}

__all__ = [
    "AxisField",
    "AxisMap",
    "Budget",
    "Check",
    "EffectiveField",
    "LayerReport",
    "Report",
    "Verification",
    "analyze",
    "budget",
    "budget_table",
    "design",
    "effective_field",
    "register",
    "tap_spans",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"atrous.field.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'atrous.field' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
