"""The explorer: its arithmetic against `atrous.field` and Keras, its files, its command, its place in a report."""

import html.parser
import json
import random
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import atrous
from atrous import schedules
from atrous.cli import main
from atrous.field import coverage
from atrous.field.axis import AxisField, AxisMap
from atrous.models import DilatedClassifier
from atrous.report import Row, Stack, explore_page, write_explore
from atrous.report.stack import stack_of
from atrous.spec import ConvSpec
from browser import Browser

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_explore(tmp_path_factory.mktemp("page") / "explore.html")


@pytest.fixture
def shown(browser, page):
    """The page with its first stack; whatever happens, it asks for nothing and fails nowhere."""
    browser.errors.clear()
    browser.requests.clear()
    browser.show(page)
    yield browser
    assert browser.errors == []
    assert {address.partition("#")[0] for address in browser.requests} <= {page.as_uri(), "about:blank"}


def layer(kernel, rate=1, stride=1, kind="conv", filters=8):
    return {"kind": kind, "kernel": kernel, "rate": rate, "stride": stride, "filters": filters}


def random_stacks(count, seed, kernel=7, rate=12, stride=3, depth=8):
    draw = random.Random(seed)
    one = lambda: layer(draw.randint(1, kernel), draw.randint(1, rate), draw.randint(1, stride))  # noqa: E731
    return [[one() for _ in range(draw.randint(1, depth))] for _ in range(count)]


def ask(browser, function, arguments):
    """What a function of the page answers to each of the arguments."""
    return json.loads(browser.value(f"JSON.stringify({json.dumps(arguments)}.map({function}))"))


def field(stack):
    return AxisField.chain(AxisMap.window(row["kernel"], row["stride"], row["rate"]) for row in stack)


# ---- arithmetic ----

MEASURE = """(stack) => {
  const { counts, missed, rows, ...found } = arithmetic.measure(stack);
  return { ...found, missed: missed.length, first: missed.slice(0, 50), last: counts.length,
    largest: counts.reduce((a, b) => Math.max(a, b)), counts: counts.length > 3000 ? null : [...counts] };
}"""


def test_a_thousand_random_stacks_are_measured_as_python_does(shown):
    stacks = random_stacks(1000, seed=1)
    holes = 0
    for stack, found in zip(stacks, ask(shown, MEASURE, stacks), strict=True):
        expected = field(stack)
        (paths,) = expected.paths
        assert (found["size"], found["last"], found["stride"]) == (expected.size, expected.size, expected.stride), stack
        assert found["gridding"] == coverage.gridding(paths)
        assert found["missed"] == len(coverage.missed(paths))
        assert found["first"] == coverage.missed(paths)[:50].tolist()
        assert found["unevenness"] == pytest.approx(coverage.unevenness(paths), rel=1e-9, abs=1e-12)
        assert found["largest"] == paths.max()
        assert found["counts"] in (None, paths.tolist())
        holes += found["missed"] > 0
    assert 900 < holes < 980


def test_more_paths_than_a_float_can_hold(shown):
    stacks = [[layer(3)] * 700, [layer(3, 2)] * 700, [layer(7, 3)] * 800]
    for stack, found in zip(stacks, ask(shown, MEASURE, stacks), strict=True):
        expected = field(stack)
        (paths,) = expected.paths
        assert found["exponent"] == expected.exponent > 0
        assert found["largest"] == pytest.approx(paths.max(), rel=1e-12)
        assert found["gridding"] == coverage.gridding(paths)
        assert found["unevenness"] == pytest.approx(coverage.unevenness(paths), rel=1e-9, abs=1e-12)


def test_a_field_too_wide_to_count_has_a_size_all_the_same(shown):
    (found,) = ask(shown, "arithmetic.measure", [[layer(3, 65536), layer(1024, 65536)]])
    assert found["size"] == 1 + 2 * 65536 + 1023 * 65536
    assert found["counts"] is found["gridding"] is None


@pytest.mark.parametrize("rank", [1, 2])
def test_parameters_multiply_adds_and_map_sizes_are_those_of_keras(shown, rank):
    draw = random.Random(rank)
    kinds = ("conv", "depthwise", "pool")
    stacks = [[row | {"kind": draw.choice(kinds)} for row in stack] for stack in random_stacks(12, rank, 4, 3, depth=4)]
    causal = [rank == 1 and draw.random() < 0.5 for _ in stacks]
    states = [
        {"layers": stack, "dimensions": rank, "size": 29, "channels": 3, "causal": late}
        for stack, late in zip(stacks, causal, strict=True)
    ]
    for state, rows in zip(states, ask(shown, "arithmetic.cost", states), strict=True):
        x = keras.Input((29,) * rank + (3,))
        for description, row in zip(state["layers"], rows, strict=True):
            made = keras_layer(description, rank, state["causal"])
            x = made(x)
            weights = 0 if description["kind"] == "pool" else int(np.prod(made.kernel.shape))
            assert row["parameters"] == made.count_params()
            assert row["after"] == x.shape[1]
            assert row["macs"] == weights * x.shape[1] ** rank


def keras_layer(row, rank, causal):
    padding = "causal" if causal and row["kind"] != "pool" else "same"
    if row["kind"] == "pool":
        return getattr(keras.layers, f"MaxPooling{rank}D")(row["kernel"], row["stride"], padding="same")
    options = {"strides": row["stride"], "dilation_rate": row["rate"], "padding": padding}
    if row["kind"] == "depthwise":
        return getattr(atrous.layers, f"DepthwiseConv{rank}D")(row["kernel"], **options)
    return getattr(atrous.layers, f"Conv{rank}D")(row["filters"], row["kernel"], **options)


@pytest.mark.parametrize("padding", ["same", "causal"])
def test_taps_that_only_meet_padding_are_found(shown, padding):
    draw = random.Random(3)
    cases = [(stack[0], draw.randint(1, 40)) for stack in random_stacks(300, 4, depth=1)]
    answers = ask(shown, f"([row, n]) => arithmetic.liveTaps(row, n, {json.dumps(padding == 'causal')})", cases)
    assert len({*answers}) > 3
    for (row, n), live in zip(cases, answers, strict=True):
        spec = ConvSpec.parse(1, row["kernel"], row["stride"], row["rate"], padding)
        (before, _), (outputs,) = spec.pads([n])[0], spec.output_size([n])
        positions = (np.arange(outputs)[:, None] * row["stride"] + np.arange(row["kernel"]) * row["rate"]) - before
        assert live == ((positions >= 0) & (positions < n)).any(0).sum(), (row, n)


def test_the_fix_leaves_no_holes_and_there_is_none_where_no_rates_do(shown):
    stacks = [stack for stack in random_stacks(600, 5, kernel=4, rate=9, depth=6) if (field(stack).paths[0] == 0).any()]
    answers = ask(shown, "repair", stacks)
    assert 20 < answers.count(None) < len(answers) - 100
    for stack, rates in zip(stacks, answers, strict=True):
        kernels, strides = [row["kernel"] for row in stack], [row["stride"] for row in stack]
        if rates is None:
            assert schedules.largest_field(kernels, strides) == 0, stack
        else:
            assert schedules.hole_free(kernels, rates, strides), (stack, rates)
            assert min(rates) >= 1


def test_the_fix_leaves_pools_alone(shown):
    draw = random.Random(7)
    stacks = random_stacks(400, 8, kernel=4, rate=9, depth=6)
    stacks = [[row | ({"kind": "pool", "rate": 1} if draw.random() < 0.4 else {}) for row in stack] for stack in stacks]
    fixed = [pair for pair in zip(stacks, ask(shown, "repair", stacks), strict=True) if pair[1]]
    assert len(fixed) > 100
    for stack, rates in fixed:
        assert schedules.hole_free([row["kernel"] for row in stack], rates, [row["stride"] for row in stack]), (stack, rates)
        assert [rate for rate, row in zip(rates, stack, strict=True) if row["kind"] == "pool" and rate != 1] == []


def test_the_fix_of_equal_kernels_is_that_of_schedules(shown):
    draw = random.Random(6)
    cases = [([draw.randint(1, 8) for _ in range(draw.randint(1, 4))], draw.randint(2, 5)) for _ in range(150)]
    cases = [(rates, kernel) for rates, kernel in cases if not schedules.hole_free([kernel] * len(rates), rates)]
    answers = ask(shown, "repair", [[layer(kernel, rate) for rate in rates] for rates, kernel in cases])
    assert len(cases) > 50
    for (rates, kernel), fixed in zip(cases, answers, strict=True):
        assert tuple(fixed) == schedules.gridding_free(rates, kernel), (rates, kernel)


# ---- files ----


class Elements(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.addresses = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]


def test_the_page_is_one_file_and_a_title_is_text():
    text = explore_page(title="<i>a & b</i>")
    assert "<h1>&lt;i&gt;a &amp; b&lt;/i&gt;</h1>" in text
    elements = Elements(text)
    assert [address for address in elements.addresses if not address.startswith("data:")] == []
    assert not re.search(r"@import|url\((?!#)|https?://|fetch\(|XMLHttpRequest", text)
    assert len(elements.ids) == len(set(elements.ids))


def test_classes_and_ids_cannot_meet_those_of_a_report():
    style = (ROOT / "src/atrous/report/explorer/style.css").read_text("utf-8")
    selectors = re.findall(r"^\s*([.@a-z#][^{}]*)\{", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL), re.MULTILINE)
    parts = [part.strip() for selector in selectors if not selector.startswith("@") for part in selector.split(",")]
    assert len(parts) > 60
    assert [part for part in parts if not re.match(r"\.explore|:is\(|dt|small", part)] == []
    assert all(name.startswith("explore") for name in Elements(explore_page()).ids)


def test_the_copy_of_the_docs_is_up_to_date():
    """`python tools/make_explore.py` writes it."""
    assert (ROOT / "docs" / "explore.html").read_text("utf-8") == explore_page()


def test_only_a_page_of_its_own_is_replaced(tmp_path):
    path = write_explore(tmp_path / "new" / "explore.html", Stack.parse((1, 2)))
    assert "3c32,3r2c32" in path.read_text("utf-8")
    write_explore(path, Stack.parse((4,)))
    assert "3r4c32" in path.read_text("utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["explore.html"]
    other = tmp_path / "letter.html"
    other.write_text("<p>Dear</p>")
    for file in (other, tmp_path):
        with pytest.raises(FileExistsError, match="something else"):
            write_explore(file)
    assert other.read_text() == "<p>Dear</p>"


def test_stacks_are_parsed_and_checked():
    stack = Stack.parse((1, 2), (3, 5), 2)
    assert stack.rows == (Row(3, 1, 2), Row(5, 2, 2))
    assert Stack((Row(3, 2, kind="depthwise"), Row(2, strides=2, kind="pool")), 1, 9, 4, True).address == (
        "explore=1d-causal,9,4;d3r2,p2s2"
    )
    for arguments, message in (
        (((),), "at least one rate"),
        (((1, 0),), "`dilation_rate` must be a positive integer"),
        (((1, 2), (3, 3, 3)), "one a layer, 2 as in `rates`"),
        (((70000,),), "at most 65536"),
        (((1,) * 257,), "at most 256"),
    ):
        with pytest.raises(ValueError, match=message):
            Stack.parse(*arguments)
    with pytest.raises(ValueError, match="1 if causal"):
        Stack((), rank=2, causal=True)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["atrous", "explore", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return call


def test_the_command_writes_the_page_and_says_where(command, tmp_path):
    assert command() == (0, "explore.html\n", "")
    assert (tmp_path / "explore.html").read_text("utf-8") == explore_page()
    assert command("--output", "sub/x.html", "--rates", "2,4", "--kernel-size", "5,3", "--strides", "1,2")[0] == 0
    assert "5r2c32,3r4s2c32" in (tmp_path / "sub" / "x.html").read_text("utf-8")


def test_mistakes_on_the_command_line_end_in_a_sentence(command, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    for words_, message in (
        (["--rates", "1,x"], "`--rates` must be integers with commas between. Received: --rates 1,x\n"),
        (["--rates", "0"], "`dilation_rate` must be a positive integer. Received: dilation_rate=0.\n"),
        (["--output", "mine.html"], "which is something else"),
    ):
        code, out, error = command(*words_)
        assert (code, out) == (2, "")
        assert message in error
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_browser_is_opened_only_if_asked_and_on_a_terminal(command, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    command("--open")
    assert opened == []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command()
    assert opened == []
    code, _, error = command("--open")
    assert (code, error) == (0, "There is no browser to open it with.\n")
    assert [address.rpartition("/")[2] for address in opened] == ["explore.html"]


# ---- in the report ----


def test_a_report_starts_with_the_network_of_the_run():
    stack = stack_of(DilatedClassifier((28, 28, 1), 3, rates=(2, 3)))
    assert stack.address == "explore=2d,28,1;3c32,p2s2,3c64,p2s2,3r2c128,3r3c128,1c64"


def test_separable_causal_nested_and_channels_first_layers():
    layers = keras.layers
    inner = keras.Sequential([keras.Input((52, 4)), atrous.layers.Conv1D(6, 2, dilation_rate=4, padding="causal")])
    model = keras.Sequential(
        [
            keras.Input((50, 2)),
            layers.SeparableConv1D(4, 3),
            layers.ZeroPadding1D(2),
            inner,
            layers.DepthwiseConv1D(3, strides=2),
        ]
    )
    assert stack_of(model).address == "explore=1d-causal,50,2;d3,1c4,2r4c6,d3s2"
    first = keras.Sequential([keras.Input((3, 20, 20)), layers.Conv2D(4, 3, data_format="channels_first")])
    assert stack_of(first).address == "explore=2d,20,3;3c4"
    unknown = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3)])
    assert stack_of(unknown).address == "explore=2d,256,3;3c4"


@pytest.mark.parametrize("case", ["oblong", "three axes", "no convolution", "branches", "up", "two inputs", "too large"])
def test_other_models_have_no_explorer(case):
    x = keras.Input((9, 9, 9, 1)) if case == "three axes" else keras.Input((9, 9, 1))
    other = keras.Input((9, 9, 1))
    y = {
        "oblong": lambda: keras.layers.Conv2D(2, (1, 3))(x),
        "three axes": lambda: keras.layers.Conv3D(2, 3)(x),
        "no convolution": lambda: keras.layers.MaxPooling2D(2)(x),
        "branches": lambda: keras.layers.Add()([x, keras.layers.Conv2D(1, 3, padding="same")(x)]),
        "up": lambda: keras.layers.Conv2D(1, 3)(keras.layers.UpSampling2D(2)(x)),
        "two inputs": lambda: keras.layers.Conv2D(1, 3)(keras.layers.Concatenate()([x, other])),
        "too large": lambda: keras.layers.Conv2D(70000, 1)(x),
    }[case]()
    assert stack_of(keras.Model([x, other] if case == "two inputs" else x, y)) is None
