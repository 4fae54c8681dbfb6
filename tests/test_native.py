"""The native core through its Python adapter, and what decides whether it is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings

from atrous.ops import native
from atrous.spec import ConvSpec
from problems import DIRECTIONS, Problem, problems

if not native.available() and not any(map(shutil.which, ("c++", "g++", "clang++", os.environ.get("CXX", "c++")))):
    pytest.skip("there is no C++ compiler here, so there is no native core", allow_module_level=True)

assert native.available(), native.why_not()
core = native.core()
EVERY_DIRECTION = pytest.mark.parametrize("direction", DIRECTIONS)
SMALL = Problem(ConvSpec.parse(2, 3, 1, 2, "same"), 2, (7, 6), 3, 4)


@pytest.fixture(autouse=True)
def defaults():
    isa = core.isa()
    yield
    core.set_isa(isa)
    core.set_threads(0)


def run(problem, direction, bias=None, algorithm=None):
    first, second = problem.operands(direction)
    return core.run(direction, first, second, bias, problem.conv(), algorithm)


@pytest.mark.parametrize("isa", core.isas())
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equals_the_definition_with_any_number_of_threads(rank, isa):
    @given(problem=problems(rank))
    @settings(max_examples=60)
    def same(problem):
        for direction in DIRECTIONS:
            core.set_isa(isa)
            core.set_threads(1)
            alone = run(problem, direction)
            problem.check(alone, direction)
            core.set_threads(2)
            assert run(problem, direction).tobytes() == alone.tobytes(), direction

    same()


@pytest.mark.parametrize("algorithm", core.algorithms())
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_algorithm_equals_the_definition(rank, algorithm):
    @given(problem=problems(rank))
    @settings(max_examples=40)
    def same(problem):
        for direction in DIRECTIONS:
            problem.check(run(problem, direction, algorithm=algorithm), direction)

    same()


@EVERY_DIRECTION
def test_large_enough_to_be_shared_by_threads(direction):
    problem = Problem(ConvSpec.parse(2, 3, 1, 4, "same"), 2, (40, 37), 32, 48)
    results = []
    for threads in (1, 2, 3):
        core.set_threads(threads)
        assert core.plan(direction, problem.conv())["threads"] <= threads
        results.append(run(problem, direction))
    problem.check(results[0], direction)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_bias():
    bias = SMALL.arrays["bias"]
    assert np.allclose(run(SMALL, "forward", bias) - bias, run(SMALL, "forward"), atol=1e-5)
    back = np.array([1, 2, 3], "float32")
    assert np.allclose(run(SMALL, "input_gradient", back) - back, run(SMALL, "input_gradient"), atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("isa", core.isas())
@pytest.mark.parametrize("channels", [(3, 4, 1), (40, 40, 1), (1, 2, 20)])
def test_weights_over_padding_contribute_nothing_whatever_they_are(bad, isa, channels):
    inner, outer, groups = channels
    problem = Problem(ConvSpec.parse(2, 3, 1, 6, "same", groups), 1, (5, 5), inner, outer)
    x, kernel = problem.operands("forward")
    poisoned = np.full_like(kernel, bad)
    poisoned[1, 1] = kernel[1, 1]  # with rate 6 on 5 × 5, the other eight taps meet nothing but padding
    core.set_isa(isa)
    problem.check(core.run("forward", x, poisoned, None, problem.conv()), "forward")
    upstream = problem.arrays["upstream"]
    problem.check(core.run("input_gradient", upstream, poisoned, None, problem.conv()), "input_gradient")


@pytest.mark.parametrize("isa", core.isas())
def test_nan_and_inf_in_the_data_reach_what_sees_them_and_nothing_else(isa):
    problem = Problem(ConvSpec.parse(1, 3, 1, 4, "causal"), 1, (50,), 8, 8)
    x, kernel = (a.copy() for a in problem.operands("forward"))
    x[0, 10, 3] = np.nan
    core.set_isa(isa)
    lost = np.isnan(core.run("forward", x, kernel, None, problem.conv())).all(-1)[0]
    assert list(np.flatnonzero(lost)) == [10, 14, 18]


@EVERY_DIRECTION
def test_empty_batch(direction):
    problem = Problem(SMALL.spec, 0, SMALL.size, 3, 4)
    result = run(problem, direction)
    expected = {"forward": (0, 7, 6, 4), "input_gradient": (0, 7, 6, 3), "kernel_gradient": (3, 3, 3, 4)}
    assert result.shape == expected[direction]
    assert not result.any()


def test_plan_says_what_will_be_done():
    plan = core.plan("forward", SMALL.conv())
    assert plan["algorithm"] in core.algorithms()
    assert plan["isa"] == core.isa()
    assert plan["workspace"] > 0
    assert plan["seconds"] > 0
    assert plan["dense_macs"] == 2 * 7 * 6 * 9 * 3 * 4
    assert plan["valid_macs"] == 2 * (7 + 5 + 5) * (6 + 4 + 4) * 3 * 4
    assert core.plan("forward", SMALL.conv(), "reference")["algorithm"] == "reference"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": (2**31, 1)}, r"every number must be below 2\^31.*Received: .*2147483648"),
        ({"rates": (2**63, 1)}, r"`rates` must be an integer below 2\^63. Received: 9223372036854775808"),
        ({"strides": (0, 1)}, "strides and rates must be positive"),
        ({"groups": 2}, "groups must divide channels and filters"),
        ({"input": (7,)}, "`input` must have one integer an axis"),
        ({"kernel": (1, 1, 1, 1)}, "`kernel` must have one to three axes"),
        ({"kernel": 3}, "`kernel` must have one to three axes"),
        ({"batch": 2**40, "input": (2**30, 2**30)}, r"below 2\^31"),
        ({"batch": "2"}, "`batch` must be an integer"),
    ],
)
def test_impossible_geometries(change, message):
    x, kernel = SMALL.operands("forward")
    conv = {**SMALL.conv(), **change}
    with pytest.raises(ValueError, match=message):
        core.plan("forward", conv)
    with pytest.raises(ValueError, match=message):
        core.run("forward", x, kernel, None, conv)


def test_a_missing_number_is_named():
    conv = SMALL.conv()
    del conv["before"]
    with pytest.raises(ValueError, match="The geometry must have `before`"):
        core.plan("forward", conv)


def test_names_that_are_not_known():
    with pytest.raises(ValueError, match="`direction` must be 'forward', 'input_gradient' or 'kernel_gradient'"):
        core.plan("backward", SMALL.conv())
    with pytest.raises(ValueError, match=r"`algorithm` must be one of 'reference', .*Received: algorithm='magic'"):
        core.plan("forward", SMALL.conv(), "magic")
    with pytest.raises(
        ValueError, match=r"`name` must be an instruction set of this processor: 'baseline'.*Received: name='mmx'"
    ):
        core.set_isa("mmx")


def test_arrays_that_do_not_fit():
    x, kernel = SMALL.operands("forward")
    conv = SMALL.conv()
    for wrong in (x.astype("float64"), x.astype("float16"), x.astype("int32"), x.astype(">f4"), x.tolist(), None):
        with pytest.raises(TypeError, match=r"`x` must be an array of float32\. Received: "):
            core.run("forward", wrong, kernel, None, conv)
    with pytest.raises(ValueError, match=r"`kernel` must be of shape \(3, 3, 3, 4\). Received: \(3, 3, 4, 3\)"):
        core.run("forward", x, kernel.reshape(3, 3, 4, 3), None, conv)
    with pytest.raises(ValueError, match=r"`bias` must be of shape \(4,\). Received: \(3,\)"):
        core.run("forward", x, kernel, np.zeros(3, "float32"), conv)
    for strided in (np.asfortranarray(x), x[::-1], np.repeat(x, 2, axis=2)[:, :, ::2]):
        with pytest.raises(ValueError, match="`x` must be contiguous, row by row"):
            core.run("forward", strided, kernel, None, conv)
    with pytest.raises(ValueError, match=r"`upstream` must be of shape \(2, 7, 6, 4\)"):
        core.run("kernel_gradient", x, x, None, conv)


def at_offset(array, offset):
    """A copy whose first byte lies `offset` bytes behind a multiple of 64."""
    memory = np.zeros(array.nbytes + 128, "uint8")
    start = -memory.ctypes.data % 64 + offset
    copy = memory[start : start + array.nbytes].view("float32").reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("isa", core.isas())
def test_pointers_need_the_alignment_of_a_float_and_no_more(isa):
    core.set_isa(isa)
    for problem in (
        SMALL,
        Problem(SMALL.spec, 1, (9, 9), 32, 32),
        Problem(ConvSpec.parse(2, 3, 1, 2, groups=20), 1, (9, 9), 1, 1),
    ):
        for direction in DIRECTIONS:
            first, second = (at_offset(a, offset) for a, offset in zip(problem.operands(direction), (4, 12), strict=True))
            problem.check(core.run(direction, first, second, None, problem.conv()), direction)
    x, kernel = SMALL.operands("forward")
    with pytest.raises(ValueError, match="`x` must be aligned to a float"):
        core.run("forward", at_offset(x, 2), kernel, None, SMALL.conv())


def test_read_only_and_shared_operands():
    problem = Problem(ConvSpec.parse(1, 1), 1, (8,), 8, 8)
    both = np.ones((1, 8, 8), "float32")
    both.flags.writeable = False
    result = core.run("kernel_gradient", both, both, None, problem.conv())
    assert (result == 8).all()
    assert result.flags.writeable
    assert result.flags.c_contiguous


def test_result_outlives_everything_else():
    results = [run(SMALL, "forward") for _ in range(50)]
    assert all((result == results[0]).all() for result in results)


def test_the_interpreter_is_free_while_computing():
    problem = Problem(ConvSpec.parse(2, 3, 1, 2, "same"), 1, (48, 48), 64, 64)
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.005):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    run(problem, "forward", algorithm="reference")
    end = time.perf_counter()
    done.set()
    thread.join()
    inside = [t for t in ticks if start + 0.01 < t < end - 0.01]
    assert len(inside) > 3, f"{len(inside)} ticks in {end - start:.3f} s"


def alone(code, **environment):
    """Runs code in a fresh process, with `core` and NumPy and nothing else."""
    load = (
        "import importlib.util, os, sys, time, numpy as np\n"
        f"spec = importlib.util.spec_from_file_location('_native', {core.__file__!r})\n"
        "core = importlib.util.module_from_spec(spec); spec.loader.exec_module(core)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", load + code], capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_forked_child_computes_with_threads_of_its_own():
    code = f"""
conv = {Problem(ConvSpec.parse(2, 3, 1, 2, "same"), 2, (40, 40), 32, 32).conv()!r}
x, w = np.ones((2, 40, 40, 32), "float32"), np.ones((3, 3, 32, 32), "float32")
core.set_threads(2)
before = core.run("forward", x, w, None, conv)
child = os.fork()
if child == 0:
    after = core.run("forward", x, w, None, conv)
    os._exit(0 if after.tobytes() == before.tobytes() else 3)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    time.sleep(0.01)
else:
    os.kill(child, 9)
    sys.exit("the child hangs")
again = core.run("forward", x, w, None, conv)
print(os.waitstatus_to_exitcode(status), again.tobytes() == before.tobytes())
"""
    assert alone(code) == ["0", "True"]


def test_environment_variables():
    code = "print(core.threads(), core.isa())\nfor n in (5, 0): core.set_threads(n); print(core.threads())"
    assert alone(code, ATROUS_NUM_THREADS="3", ATROUS_ISA="baseline") == ["3", "baseline", "5", "3"]
    processors = len(os.sched_getaffinity(0))
    assert 1 <= int(alone(code, ATROUS_NUM_THREADS="no number")[0]) <= processors


def test_it_loads_beside_a_library_that_is_older_or_newer():
    """No C++ runtime is taken from the process, and nothing is left open but the C library."""
    if shutil.which("readelf") is None:
        pytest.skip("there is no readelf here")
    for file in (core.__file__, native.library_path().with_name("libatrous.so"), native.library_path()):
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        assert "libstdc++" not in dynamic, file
        assert "libgcc_s" not in dynamic, file


def test_peak_is_a_speed():
    assert 1e8 < core.peak() < 1e12


def test_switches(monkeypatch):
    monkeypatch.delenv("ATROUS_NATIVE", raising=False)
    assert native.available()
    assert native.enabled()
    assert native.why_not() is None
    assert native.library_path().is_file()
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    assert native.available()
    assert not native.enabled()
    assert native.why_not() == "ATROUS_NATIVE=0"
    monkeypatch.setenv("ATROUS_NATIVE", "1")
    with native.portable():
        assert native.why_not() == "inside `atrous.portable()`"
        with native.portable():
            pass
        assert not native.enabled()
    assert native.enabled()


def test_without_the_core_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "atrous._native", None)  # importing it fails
    native._obstacle.cache_clear()
    try:
        assert not native.available()
        assert "not installed" in native.why_not()
        assert "C++17 compiler" in native.why_not()
        with pytest.raises(ImportError):
            native.library_path()
    finally:
        monkeypatch.undo()
        native._obstacle.cache_clear()
