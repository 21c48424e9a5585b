import os
from base64 import b64encode
from pathlib import Path

import pytest
from PIL import Image

from agents.rendering import drawings
from agents.rendering.verdicts import Refusal, Rendition, Verdict
from tests.agents.rendering.answers import near, picture, rendered
from tests.harness.files import saved
from tests.harness.servers import skip_or_fail

RED = (255, 0, 0, 255)
NOTHING = (0, 0, 0, 0)
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(body: str, attributes: str = 'width="100" height="50"', before: str = "") -> bytes:
    return f"{before}<svg {NAMESPACES} {attributes}>{body}</svg>".encode()


SQUARE = '<rect width="50" height="50" fill="red"/>'


def test_a_drawing_fills_the_preview_and_keeps_its_shape_and_its_transparency() -> None:
    image = picture(svg(SQUARE))
    assert (image.size, image.mode) == ((300, 150), "RGBA")
    assert near(image.getpixel((75, 75)), RED)
    assert near(image.getpixel((225, 75)), NOTHING)


@pytest.mark.parametrize(
    ("attributes", "size_px"),
    [
        ('viewBox="0 0 100 50"', (300, 150)),
        ('width="100%" height="100%" viewBox="0 0 10 40"', (75, 300)),
        ('width="1" height="100000"', (1, 300)),
        ('width="1000000" height="1000000"', (300, 300)),
    ],
)
def test_the_size_that_a_drawing_claims_costs_nothing(attributes: str, size_px: tuple[int, int]) -> None:
    answer = rendered(svg(SQUARE, attributes))
    assert isinstance(answer, Rendition)
    assert (answer.width_px, answer.height_px) == size_px


def test_text_is_drawn_where_there_are_fonts() -> None:
    if not Path(drawings.FONTS[0]).is_file():
        skip_or_fail("fonts-dejavu-core is not installed", os.environ)
    for family in ("Arial", "monospace", "serif"):
        image = picture(svg(f'<text x="5" y="40" font-size="40" font-family="{family}">Ж</text>'))
        assert image.getbbox() is not None


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture that no drawing may show."""
    path = tmp_path / "secret.png"
    Image.new("RGB", (10, 10), "red").save(path)
    return path


@pytest.mark.parametrize(
    "reference",
    [
        '<image href="{path}" width="50" height="50"/>',
        "<image href='{path}' width='50' height='50'/>",
        '<image xlink:href="{path}" width="50" height="50"/>',
        '<image href = "  {path}" width="50" height="50"/>',
        '<image href="file://{path}" width="50" height="50"/>',
        '<image href="/{path}" width="50" height="50"/>',
        '<image HREF="x" href="&#47;{path}" width="50" height="50"/>',
        """<image alt="href='data:" href="{path}" width="50" height="50"/>""",
        """<image alt='href="' href="{path}" width="50" height="50"/>""",
        '<filter id="f"><feImage href="{path}"/></filter><rect width="50" height="50" fill="none" filter="url(#f)"/>',
        '<use href="{path}#a"/>',
    ],
)
def test_nothing_outside_the_file_is_drawn(reference: str, secret: Path) -> None:
    answer = rendered(svg(reference.format(path=secret)))
    if isinstance(answer, Rendition):
        shown = picture(svg(reference.format(path=secret)))
        assert shown.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE svg [<!ENTITY i \"<image h&#114;ef='{path}' width='50' height='50'/>\">]>",
        '<!DOCTYPE svg [<!ENTITY i SYSTEM "file://{path}">]>',
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY i "&a;&a;&a;">]>',
    ],
)
def test_entities_that_hide_or_multiply_are_refused(doctype: str, secret: Path) -> None:
    answer = rendered(svg("&i;", before=doctype.format(path=secret)))
    assert answer.verdict is Verdict.UNSUPPORTED


def test_entities_that_stand_for_a_text_are_allowed() -> None:
    """As the drawing programs of old wrote their namespaces."""
    doctype = '<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]>'
    data = f'{doctype}<svg xmlns="&ns;" width="10" height="10">{SQUARE}</svg>'.encode()
    assert near(picture(data).getpixel((5, 5)), RED[:3], most=2)


def test_pictures_within_the_file_are_drawn() -> None:
    inner = f"data:image/png;base64,{b64encode(saved(Image.new('RGB', (1, 1), 'red'), 'PNG')).decode()}"
    image = picture(svg(f'<image href="{inner}" width="50" height="50"/>'))
    assert near(image.getpixel((75, 75)), RED)


def test_parts_that_repeat_each_other_without_end_are_refused() -> None:
    uses = [f'<use href="#a{number}"/>' * 10 for number in range(9)]
    parts = "".join(f'<g id="a{number}">{use}</g>' for number, use in enumerate(uses, start=1))
    answer = rendered(svg(f'<g id="a0">{SQUARE}</g>{parts}'))
    assert isinstance(answer, Refusal)
    assert answer.verdict is Verdict.CORRUPT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_of_xml_is_read(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{svg(SQUARE).decode()}'
    assert near(picture(text.encode(encoding)).getpixel((75, 75)), RED)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (svg(SQUARE)[:-10], Verdict.CORRUPT),
        (
            svg("\udcff".encode("utf-8", "surrogateescape").decode("latin-1")).decode().encode("latin-1"),
            Verdict.UNSUPPORTED,
        ),
        (svg(SQUARE) + b" " * drawings.MOST_BYTES, Verdict.TOO_LARGE),
    ],
)
def test_what_cannot_be_drawn_is_a_verdict(data: bytes, verdict: Verdict) -> None:
    assert rendered(data).verdict is verdict
