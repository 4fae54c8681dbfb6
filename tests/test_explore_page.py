"""The explorer's page as a user meets it: keys, widths, schemes, addresses, mistakes."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from atrous.report import write_explore
from browser import Browser


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


def facts(browser):
    """Name → value of the figures at the top."""
    script = "[...document.querySelectorAll('.explore-facts > div')].map(d => [d.children[0].textContent, d.innerText])"
    return {name: text.split("\n")[1].replace("\xa0", " ") for name, text in browser.value(script)}


def rates(browser):
    return browser.value("[...document.querySelectorAll('.explore-rows [name=rate]')].map(input => Number(input.value))")


def focused(browser):
    return browser.value("`${document.activeElement.closest('li')?.ariaLabel} ${document.activeElement.name}`")


def select(browser, row, name):
    browser.value(f"document.querySelectorAll('.explore-rows > li')[{row}].querySelector('[name={name}]').select()")


def words(browser):
    return browser.value("document.querySelector('.explore-words').textContent").replace("\xa0", " ")


def drawn(browser, of="coverage"):
    return browser.value(f"document.querySelector('.explore-{of} .explore-canvas').innerHTML")


def test_typing_changes_every_figure_at_once(shown):
    before, picture = facts(shown), drawn(shown)
    assert before["Receptive field"] == "17 × 17"
    assert (before["Covered"], before["Gridding"], before["Missed"], before["Total stride"]) == ("100 %", "0", "0", "1")
    select(shown, 2, "rate")
    shown.type("9")
    after = facts(shown)
    assert after["Receptive field"] == "25 × 25"
    assert (after["Covered"], after["Gridding"], after["Missed"]) == ("84.0 %", "0.160", "4")
    assert after["Parameters"] == before["Parameters"] == "19,392"
    assert drawn(shown) != picture
    assert "4 of 25 positions a side (29.4 % of its pixels) never reach the output" in words(shown)
    select(shown, 0, "kernel")
    shown.type("5")
    assert facts(shown)["Parameters"] == f"{19392 + (25 - 9) * 3 * 32:,}"
    select(shown, 0, "stride")
    shown.type("2")
    assert facts(shown)["Total stride"] == "2"


def test_the_keyboard_is_enough(shown):
    select(shown, 0, "rate")
    shown.press("ArrowUp")
    assert rates(shown) == [2, 2, 5]
    shown.press("Alt+ArrowDown")
    shown.press("Alt+ArrowDown")
    assert (rates(shown), focused(shown)) == ([2, 5, 2], "Layer 3 rate")
    shown.press("Enter")
    assert (rates(shown), focused(shown)) == ([2, 5, 2, 2], "Layer 4 rate")
    shown.press("Alt+ArrowUp")
    shown.press("Alt+Delete")
    assert (rates(shown), focused(shown)) == ([2, 5, 2], "Layer 3 rate")
    shown.press("Tab")
    assert focused(shown) == "Layer 3 stride"
    for _ in range(3):
        shown.press("Alt+Backspace")
    assert rates(shown) == []
    assert facts(shown)["Receptive field"] == "1 × 1"
    assert shown.value("document.activeElement.className") == "explore-add"
    shown.press("Enter")
    assert rates(shown) == [1]


def test_what_has_the_focus_shows_it(shown):
    met = set()
    for _ in range(40):
        shown.press("Tab")
        tag, outline = shown.value("[document.activeElement.tagName, getComputedStyle(document.activeElement).outline]")
        if tag != "BODY":
            assert "solid 2px" in outline, tag
        met.add(tag)
    assert {"BUTTON", "INPUT", "SELECT", "SUMMARY"} <= met


def test_buttons_move_copy_and_remove(shown):
    for button, expected in (("down", [2, 1, 5]), ("copy", [2, 2, 1, 5]), ("remove", [2, 1, 5])):
        shown.click(f".explore-rows > li:first-child [data-do={button}]")
        assert rates(shown) == expected
    shown.click(".explore-add")
    assert rates(shown) == [2, 1, 5, 5]


def test_the_fix_is_offered_and_back_undoes_it(shown):
    shown.click("[data-preset='Rates 2, 2, 2']")
    assert shown.value("document.querySelector('.explore-fix').innerText") == "Use rates 1, 2, 3"
    assert facts(shown)["Gridding"] == "0.462"
    assert drawn(shown, "heat").count("explore-miss") == 1
    shown.click(".explore-fix")
    assert (rates(shown), focused(shown)) == ([1, 2, 3], "Layer 1 rate")
    assert words(shown).startswith("No holes.")
    assert shown.value("document.querySelector('.explore-fix').hidden")
    shown.value("new Promise(done => { addEventListener('hashchange', () => done(0)); history.back(); })")
    assert rates(shown) == [2, 2, 2]


def test_the_address_holds_the_stack(shown, page):
    assert "#" not in shown.value("location.href")
    select(shown, 0, "rate")
    shown.type("4")
    address = "#explore=2d,64,3;3r4c32,3r2c32,3r5c32"
    assert shown.value("location.hash") == address
    shown.show(page, address=address)
    assert rates(shown) == [4, 2, 5]
    shown.show(page, address="#explore=1d-causal,50,2;2c8,d3r2s2,p2s2")
    assert facts(shown)["Receptive field"] == "8"
    assert shown.value("document.querySelector('[name=causal]').value") == "1"
    for damaged in ("#explore=2d,64,3;3x", "#explore=2d,64,3;3r0", "#explore=3d,1,1;3", "#explore=2d,0,3;3", "#layers"):
        shown.show(page, address=damaged)
        assert rates(shown) == [1, 2, 5], damaged


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "1e9"])
def test_what_is_no_number_of_its_kind_is_said_and_changes_nothing(shown, text):
    select(shown, 1, "rate")
    before = facts(shown)
    shown.value(f"document.activeElement.value = {json.dumps(text)}")
    shown.value("document.activeElement.dispatchEvent(new Event('input', {bubbles: true}))")
    assert words(shown).startswith("Rate must be a whole number from 1 to 65,536")
    assert shown.value("document.activeElement.ariaInvalid") == "true"
    assert facts(shown) == before
    shown.press("Tab")
    assert rates(shown) == [1, 2, 5]
    assert words(shown).startswith("No holes.")


def test_warnings_of_rates_and_fields_larger_than_the_map(shown, page):
    shown.show(page, address="#explore=2d,8,3;3c32,3r12c32")
    assert "The field is larger than the input." in words(shown)
    assert "Rate too large for the map in layer 2." in words(shown)
    assert "2 of 3 taps see only padding" in shown.value("document.querySelectorAll('.explore-cost')[1].textContent")


def test_a_screen_reader_is_told_the_outcome_and_every_control_has_a_name(shown):
    select(shown, 0, "rate")
    shown.type("3")
    shown.value("new Promise(done => setTimeout(done, 700))")
    status = shown.value("document.querySelector('[role=status]').textContent")
    assert status.startswith("Receptive field 21, stride 1. Gridding.")
    nodes = shown("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if node["role"]["value"] in ("spinbutton", "button", "combobox", "image", "list")]
    assert len(controls) > 30
    assert [node["role"]["value"] for node in controls if not node["name"]["value"]] == []


PRESETS = "[...document.querySelectorAll('[data-preset]')].map(button => button.dataset.preset)"


def test_presets_are_the_networks_they_name(shown):
    fields = {}
    for preset in shown.value(PRESETS):
        shown.click(f"[data-preset='{preset}']")
        assert shown.value("document.querySelector('[aria-pressed=true]').dataset.preset") == preset
        fields[preset] = facts(shown)["Receptive field"]
    assert fields == {
        "Plain 3×3": "11 × 11",
        "Rates 2, 2, 2": "13 × 13",
        "Rates 1, 2, 5": "17 × 17",
        "Context module": "67 × 67",  # Yu, Koltun 2016, table 1
        "WaveNet 1…512": "1,024",  # van den Oord et al. 2016, section 2.1
        "TCN": "125",
        "SpliceAI-10k": "10,001",  # Jaganathan et al. 2019: 5000 on each side
    }


def test_the_code_makes_the_network(shown, page):
    shown.show(page, address="#explore=1d-causal,50,2;2c8,d3r2s2,p2s2,5r4c3")
    namespace = {}
    exec(shown.value("document.querySelector('.explore-code code').textContent"), namespace)
    model = namespace["model"]
    assert model.output_shape == (None, 13, 3)
    assert f"{model.count_params():,}" == facts(shown)["Parameters"]


@pytest.mark.parametrize("width", [1280, 820, 390, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_window_in_light_and_dark(shown, page, tmp_path, width, scheme):
    shown.show(page, width, scheme=scheme)
    for preset in ("Rates 2, 2, 2", "WaveNet 1…512", "Context module", "SpliceAI-10k"):
        shown.click(f"[data-preset='{preset}']")
        assert shown.value("document.documentElement.scrollWidth") <= width, preset
        clipped = "[...document.querySelectorAll('.explore input, .explore dd, .explore button, .explore svg')]"
        right = shown.value(f"Math.max(...{clipped}.map(element => element.getBoundingClientRect().right))")
        assert right <= width, preset
        assert shown.value(f"{clipped}.filter(element => element.scrollWidth > element.clientWidth + 1).length") == 0, preset
    shown.click("[data-preset='Rates 2, 2, 2']")
    picture = np.asarray(Image.open(io.BytesIO(shown.screenshot(tmp_path / "page.png"))).convert("L"), float)
    assert picture.shape[1] == shown.value("document.documentElement.clientWidth")
    corner = picture[:8, :8].mean()
    assert (corner > 200) == (scheme == "light")
    assert 10 < picture.std() < 100


def test_the_picture_changes_with_the_stack(shown):
    pictures = []
    for rate in ("1", "4"):
        select(shown, 0, "rate")
        shown.type(rate)
        shown.value("document.activeElement.blur()")
        pictures.append(np.asarray(Image.open(io.BytesIO(shown.screenshot())).convert("L")))
    assert pictures[0].shape != pictures[1].shape or (pictures[0] != pictures[1]).any()
