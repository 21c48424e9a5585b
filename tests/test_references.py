"""What the pages point at is there: files, make targets, other pages and their headings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PATH = re.compile(r"`((?:agents|bench|docs|grafana|helm|prometheus|stream|tests|tools)/[\w/.-]+)`")
MAKE = re.compile(r"`(?:[A-Z]+=\S+ )*make ([a-z-]+)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def page_id(page: Path) -> str:
    return page.name


def anchors(page: Path) -> Iterator[str]:
    """Yield the anchors of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists()]
    assert not missing
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) <= tests


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    assert set(MAKE.findall(page.read_text())) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text()):
        target = (page.parent / name) if name else page
        assert target.exists(), name
        if anchor:
            assert anchor in set(anchors(target)), f"{name}#{anchor}"


def test_the_promises_name_their_tests() -> None:
    table = (ROOT / "docs/guarantees.md").read_text().partition("## Promised")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows
    without = [row for row in rows if not re.search(r"`(tests/|test_|make )", row.split("|")[4])]
    assert not without
