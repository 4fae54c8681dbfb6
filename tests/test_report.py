"""The page is read as a browser reads it: parsed here, and driven in headless Chromium where that is installed."""

import html
import html.parser
import json
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from atrous import plots, recipes, report
from atrous.field import analyze
from atrous.models import DilatedClassifier
from atrous.report import embed
from atrous.report.facts import class_rows, duration
from atrous.report.network import View, view
from atrous.report.notes import class_notes, curve_notes, field_notes
from atrous.report.samples import choose
from atrous.run import Config, Run

# TensorFlow variables answer NumPy 2's `__array__` in the old form when Keras saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")


def make_run(folder, *, class_names=("cat", "dog & <i>friends</i>"), shape=(20, 28, 3), epochs=2, model=None, **arguments):
    """A finished run on image files of noise; the model is not trained, which the page doesn't know."""
    data = folder / "photos"
    random = np.random.default_rng(0)
    for part, count in (("train", 1), ("validation", 1), ("test", 3)):
        for label in class_names:
            place = data / part / re.sub("[^a-z0-9]", "_", label)
            place.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 256, shape, dtype="uint8")
                Image.fromarray(pixels[..., 0] if shape[-1] == 1 else pixels).save(place / f"{i}.png")
    names = tuple(sorted(path.name for path in (data / "train").iterdir()))
    if model is None:
        model = DilatedClassifier(shape, len(names), class_names=names, **arguments)
    recipe = recipes.find("image-classification", "photos")
    config = Config(
        recipe=recipe.replace({"epochs": epochs}),
        data=str(data),
        dataset="photos",
        facts={"class_names": names, "image_shape": shape},
        examples={"train": len(names), "validation": len(names), "test": 3 * len(names)},
        backend=keras.backend.backend(),
        versions={"keras": keras.__version__},
        started="2026-03-05T10:00:00+01:00",
    )
    run = Run.create(folder / "run", config)
    run.write_metrics([row(epoch, 1 / epoch, 0.5, 1 / epoch, 0.5) for epoch in range(1, epochs + 1)])
    n = len(names)
    confusion = 2 * np.eye(n, dtype=int) + np.roll(np.eye(n, dtype=int), 1, axis=1)
    run.write_test({"examples": 3 * n, "loss": 0.7, "accuracy": 2 / 3, "confusion": confusion.tolist()})
    model.save(run.model_file)
    return run


def row(epoch, loss, accuracy, val_loss, val_accuracy):
    values = {"loss": loss, "accuracy": accuracy, "val_loss": val_loss, "val_accuracy": val_accuracy}
    return {"epoch": epoch, **values, "learning_rate": 1e-3, "seconds": 2.0}


class Page(html.parser.HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.source = [], [], path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def drawings(self):
        """What each figure is for those who don't see it; the explorer draws only when the page is open."""
        return [attributes["aria-label"] for attributes in self.all("svg") if "aria-label" in attributes]

    def says(self, words):
        return words in re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return report.write(make_run(tmp_path_factory.mktemp("two")))


@pytest.fixture(scope="module")
def page(written):
    return Page(written)


def test_the_page_loads_nothing(page):
    assert page.all("script") == [{}]  # the explorer's, inside the page
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name.split(":")[-1] in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert len(addresses) > 10
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\((?!#)|https?://", page.source)


def test_every_reference_inside_a_drawing_has_its_target_and_no_id_comes_twice(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r"""url\(#([^)]+)\)|href="#([^"]+)""", page.source))
    assert targets
    assert {first or second for first, second in targets} <= set(ids)


def test_all_figures_are_there_and_described(page):
    assert [words.split()[0] for words in page.drawings()] == ["Loss", "Accuracy", "Confusion", "The", "Feature"]
    assert len(page.all("img")) == 6  # every test example, right or wrong
    assert all(attributes["alt"] and attributes["src"].startswith("data:image/png") for attributes in page.all("img"))


def test_the_head_says_what_was_trained_and_what_came_out(page):
    for words in ("Dilated classifier on photos", "20 × 28 pixels, colour", "5 March 2026", "66.7 %", "0.700", "4.0 s"):
        assert page.says(words)
    assert page.says("atrous train image-classification --data")
    assert page.says(f"keras {keras.__version__}")


def test_the_layer_table_has_rate_and_field_of_the_dilated_layer(page):
    assert page.says("dilated Conv2D 5 × 7 × 128 73,856 3 × 3 2 26 × 26")
    assert page.says("is larger than the image (20 × 28)")


def test_nothing_is_left_beside_the_page(written):
    assert sorted(path.name for path in written.parent.iterdir()) == [
        "config.json",
        "metrics.csv",
        "model.keras",
        "report.html",
        "test.json",
    ]


def test_gray_images_rate_1_one_epoch_and_a_large_head(tmp_path):
    page = Page(report.write(make_run(tmp_path, shape=(16, 16, 1), epochs=1, rates=(1,), depth=1, head="average")))
    assert page.says("What the last convolution sees")
    assert len(page.drawings()) == 5


def test_many_classes(tmp_path):
    names = [f"class {i:02}" for i in range(32)]
    path = report.write(make_run(tmp_path, class_names=names, shape=(12, 12, 3)))
    page = Page(path)
    assert page.says("Accuracy of each of 32 classes")
    assert page.all("details")
    assert path.stat().st_size < 2_000_000


def test_large_photographs_stay_light(tmp_path):
    path = report.write(make_run(tmp_path, class_names=list("abcdefgh"), shape=(330, 250, 3), depth=3))
    assert len(Page(path).all("img")) > 12
    assert path.stat().st_size < 2_000_000  # of noise, which compresses worst


def test_a_model_whose_field_cannot_be_told_and_that_has_no_convolution(tmp_path):
    x = keras.Input((12, 12, 3))
    flat = keras.layers.Flatten()(keras.ops.flip(keras.layers.Rescaling(1 / 255)(x), axis=1))
    twice = keras.layers.Concatenate(name="join")([keras.layers.Dense(4)(flat), keras.layers.Dense(4)(flat)])
    model = keras.Model(x, keras.layers.Dense(2, activation="softmax")(twice))
    page = Page(report.write(make_run(tmp_path, shape=(12, 12, 3), model=model)))
    assert page.says("It could not be told: Layer 'flip")
    assert page.says("register a rule")
    assert len(page.drawings()) == 3


def test_an_unfinished_run_is_refused(tmp_path):
    run = make_run(tmp_path, shape=(12, 12, 3))
    (run.path / "test.json").unlink()
    with pytest.raises(ValueError, match="must be finished"):
        report.write(run)
    assert not run.report_file.exists()


def test_text_of_the_user_is_escaped():
    axes = plots.confusion_matrix(np.eye(2, dtype=int), ("<script>", '"&'))
    text = embed.svg(axes, name="x", alt='"><script>')
    assert isinstance(text, Markup)
    assert "<script>" not in text


class Split:
    """Three examples a class, whose first pixel is the index."""

    labels = np.repeat(np.arange(3), 3)

    def __len__(self):
        return 9

    def images(self, indices):
        return np.asarray(indices, "uint8").reshape(-1, 1, 1, 1)

    def name(self, index):
        return f"test #{index}"


def test_samples_are_of_all_classes_and_mistakes_come_most_confident_first():
    table = np.full((9, 3), 0.1)
    table[np.arange(9), Split.labels] = 0.8
    table[[1, 4, 8]] = [[0.4, 0.6, 0.0], [0.05, 0.05, 0.9], [0.7, 0.1, 0.2]]
    table[4] = [0.05, 0.0, 0.95]

    def model(images, training):
        assert not training
        return table[images.astype(int).ravel()]

    samples = choose(model, Split(), count=3)
    assert [(s.index, s.predicted, s.true) for s in samples.wrong] == [(4, 2, 1), (8, 0, 2), (1, 1, 0)]
    assert samples.wrong[1].probability == pytest.approx(0.7)
    assert samples.wrong[1].true_probability == pytest.approx(0.2)
    assert [s.true for s in samples.right] == [0, 1, 2]
    assert samples.examined == 9


def told(metrics, best, *, size=(28, 28), field=((0, 9), (0, 9)), taps=9, confusion=((1, 0), (0, 1))):
    seen = View("conv", (3, 3), (2, 2), np.ones((5, 5, 4)), (2, 2), field, [field] * taps)
    return [*curve_notes(metrics, best), *class_notes(np.array(confusion), ("a", "b")), *field_notes(seen, size)]


def test_notes_tell_of_trouble_and_of_nothing_else():
    healthy = [row(1, 1, 0.6, 1, 0.6), row(2, 0.5, 0.8, 0.6, 0.78), row(3, 0.4, 0.82, 0.6, 0.78)]
    assert told(healthy, 2) == []
    overfit = [row(1, 1, 0.6, 1, 0.6), row(2, 0.1, 0.9, 2, 0.5)]
    assert "overfits" in told(overfit, 1)[0]
    assert "diverged" in told([row(1, float("nan"), 0.5, 1, 0.5)], 1)[0]
    assert "more epochs" in told(healthy[:2], 2)[0]
    assert told([healthy[0], healthy[1] | {"learning_rate": 1e-5}], 2) == []
    assert "larger than the image" in told(healthy, 2, size=(9, 28))[0]
    assert "1 of the 9 taps" in told(healthy, 2, taps=8)[0]
    assert "never predicted: b" in told(healthy, 2, confusion=((1, 0), (1, 0)))[0]


def test_the_view_is_of_the_dilated_layer_with_its_taps():
    model = DilatedClassifier((28, 28, 1), 3, rates=(2,))
    seen = view(model, np.zeros((28, 28, 1), "uint8"), analyze(model))
    assert (seen.layer, seen.rate, seen.unit, seen.maps.shape) == ("dilated", (2, 2), (3, 3), (7, 7, 128))
    assert seen.field == ((1, 26), (1, 26))
    assert seen.taps[0] == ((1, 10), (1, 10))
    assert seen.taps[-1] == ((17, 26), (17, 26))


def test_figures_are_formatted_as_people_say_them():
    assert [duration(s) for s in (3.21, 42, 75.2, 4000)] == ["3.2 s", "42 s", "1 min 15 s", "1 h 7 min"]
    rows = class_rows(np.array([[8, 2, 0], [0, 0, 0], [1, 0, 1]]), ("a", "b", "c"))
    assert [r["name"] for r in rows] == ["c", "a", "b"]
    assert (rows[0]["accuracy"], rows[0]["confused"], rows[2]["accuracy"]) == ("50.0 %", "a (1)", "–")


# What the browser made of the page; it stands in a frame as wide as asked, because a window has a least width.
PROBE = """<script>addEventListener("load", () => { const told = parent.document.createElement("output");
told.textContent = JSON.stringify({
  requests: performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:")),
  images: [...document.images].map(image => image.naturalWidth),
  drawings: [...document.querySelectorAll("svg[aria-label]:not(.explore *)")].map(svg =>
    Math.round(svg.getBoundingClientRect().height)),
  explorer: document.querySelector(".explore-first dd")?.textContent,
  window: innerWidth, page: document.documentElement.scrollWidth }); parent.document.body.append(told); });</script>"""


@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_shows_every_figure_inside_the_window_and_asks_for_nothing(written, tmp_path, width):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    framed = html.escape(written.read_text("utf-8") + PROBE)
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(f'<meta charset="utf-8"><iframe srcdoc="{framed}" style="width:{width}px; border:0"></iframe>', "utf-8")
    quiet = ["gpu", "quic", "background-networking", "component-update", "sync"]
    command = [browser, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    finished = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", wrapper.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    result = json.loads(re.findall(r"<output>(.*)</output>", finished.stdout)[-1])
    assert result["requests"] == []
    assert len(result["images"]) == 6
    assert min(result["images"]) > 0
    assert len(result["drawings"]) == 5
    assert min(result["drawings"]) > 100
    assert result["explorer"].startswith("26 × 26")  # it starts with the network of the run
    assert (result["window"], result["page"] <= width) == (width, True)
