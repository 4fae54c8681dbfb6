"""The choice between the native core and the framework's own operations."""

from __future__ import annotations

import pytest

from atrous import ops
from atrous.ops import native
from atrous.ops.path import NATIVE, choose
from atrous.spec import ConvSpec

SPEC = ConvSpec.parse(2, 3, 1, 2, "same")


@pytest.fixture
def available(monkeypatch):
    """As where the core is installed, whether it is or not."""
    monkeypatch.delenv("ATROUS_NATIVE", raising=False)
    monkeypatch.setattr(native, "_obstacle", lambda: None)


@pytest.mark.usefixtures("available")
def test_float32_on_a_cpu_is_native():
    assert choose(SPEC) == NATIVE
    assert NATIVE.native


@pytest.mark.usefixtures("available")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"dtype": "float64"}, "float64"),
        ({"dtype": "bfloat16"}, "bfloat16"),
        ({"device": "GPU"}, "GPU"),
        ({"tracing": "jit"}, "jit_compile"),
        ({"tracing": "export"}, "export"),
        ({"obstacle": "it does not load"}, "it does not load"),
        ({"spec": ConvSpec.parse(2, 3, 1, 2**31, "same")}, "2^31"),
        ({"spec": ConvSpec.parse(1, 3, 1, 2**30, "causal")}, "2^31"),
        ({"spec": ConvSpec.parse(1, 3, 2**31, 1, "valid")}, "2^31"),
        ({"spec": ConvSpec.parse(1, 3, 1, 1, (2**31, 0))}, "2^31"),
    ],
)
def test_every_other_case_says_why_not(arguments, why):
    path = choose(**{"spec": SPEC, **arguments})
    assert not path.native
    assert why in path.why


@pytest.mark.usefixtures("available")
def test_the_environment_and_the_context_are_looked_at_in_each_call(monkeypatch):
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    assert choose(SPEC).why == "ATROUS_NATIVE=0"
    monkeypatch.setenv("ATROUS_NATIVE", "1")
    assert choose(SPEC).native
    with native.portable():
        assert "portable" in choose(SPEC).why
    assert choose(SPEC).native


def test_where_the_core_is_missing_the_reason_is_said(monkeypatch):
    monkeypatch.delenv("ATROUS_NATIVE", raising=False)
    monkeypatch.setattr(native, "_obstacle", lambda: "there was no compiler")
    assert choose(SPEC).why == "there was no compiler"


def test_the_operations_tell_their_path():
    path = ops.path_of(SPEC, "float64")
    assert not path.native
    assert path.why
