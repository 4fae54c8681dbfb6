"""The pages: every Python listing runs and prints what stands below it, every command and link exists."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import shlex
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import keras
import pytest
import typer.main

import cifar
from atrous.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
LARGEST_IMAGE = 200_000  # bytes


def blocks(page: Path, language: str) -> list[tuple[int, str, str | None]]:
    """For every block in a language: its first line, its text, and the text block that follows it directly."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    result = []
    for block, following in itertools.zip_longest(found, found[1:]):
        if block["language"] != language:
            continue
        expected = None
        if following and following["language"] == "text" and not text[block.end() : following.start()].strip():
            expected = textwrap.dedent(following["text"])
        result.append((text.count("\n", 0, block.start("text")) + 1, textwrap.dedent(block["text"]), expected))
    return result


def with_blocks(language: str) -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


def run(page: Path, line: int, listing: str, namespace: dict[str, Any]) -> str:
    """Runs a listing and returns what it prints; a traceback shows the line of the page."""
    code = compile("\n" * (line - 1) + listing, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="the pages speak of TensorFlow")
@pytest.mark.parametrize("page", with_blocks("python"))
def test_listings_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cifar.write(tmp_path / "cifar-10-batches-bin", records=8)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for line, listing, expected in blocks(page, "python"):
        printed = run(page, line, listing, namespace)
        if expected is not None:
            assert printed == expected, f"{page.name}:{line}"


def test_a_text_block_belongs_to_the_listing_right_above(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("One.\n```python\na = 1\n```\n```text\nx\n```\nTwo.\n```python\nb\n```\nThree.\n```text\ny\n```\n")
    assert blocks(page, "python") == [(3, "a = 1\n", "x\n"), (10, "b\n", None)]


def commands(page: Path) -> list[list[str]]:
    lines = [line for _, block, _ in blocks(page, "sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("page", with_blocks("sh"))
def test_commands_exist_with_their_options(page):
    for words in commands(page):
        match [word for word in words if not re.match("[A-Z_]+=", word)]:
            case ["atrous", name, *options]:
                command = typer.main.get_command(app).commands[name]
                command.make_context(name, list(options))  # parses, and refuses what it doesn't know
            case ["make", *targets]:
                makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
                assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), words
            case ["pip", "install", *what]:
                known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                asked = [extra for word in what for extra in re.findall(r"(?<=\[)[^\]]+(?=\])", word)]
                assert set(",".join(asked).split(",")) <= {*known, ""}, words
            case [_, *arguments]:
                assert all((ROOT / word).exists() for word in arguments if word.endswith(".py")), words


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("image", sorted((ROOT / "docs" / "images").iterdir()), ids=lambda path: path.name)
def test_images_are_small_and_used(image):
    assert image.stat().st_size < LARGEST_IMAGE
    assert any(image.name in page.read_text(encoding="utf-8") for page in PAGES)
