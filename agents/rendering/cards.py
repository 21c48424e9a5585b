"""A card for a file that no picture is made of: what it is, its name, its size.

Drawn with the fonts of the system where there are some, else with the one that Pillow brings, which knows ASCII;
letters that the font lacks become dots rather than boxes.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePath
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from agents.rendering.picture import Picture

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

SHAPE: Final = (4, 3)
OVERSAMPLING: Final = 2
PAPER: Final = (250, 250, 251)
INK: Final = (38, 44, 54)
FAINT: Final = (112, 120, 132)
FONT_PATHS: Final = (
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
)
UNITS: Final = ("bytes", "kB", "MB", "GB")
KILO: Final = 1000
ELLIPSIS: Final = "…"
MOST_LINES: Final = 2
LONGEST_EXTENSION: Final = 5
LONGEST_NAME: Final = 200
MANY_DOTS: Final = re.compile(f"{ELLIPSIS}+")
NO_LETTER: Final = "\U0010ffff"


class Family(NamedTuple):
    """A kind of files with its colour, and the words of a description that tell it."""

    colour: Colour
    words: Sequence[str]


FAMILIES: Final = (
    Family((196, 62, 54), ("video",)),
    Family((126, 87, 194), ("audio",)),
    Family((43, 87, 154), ("Word", "RTF")),
    Family((33, 115, 70), ("Excel",)),
    Family((208, 104, 36), ("PowerPoint",)),
    Family((84, 110, 122), ("Office", "OpenDocument", "e-book", "PostScript", "Photoshop", "JPEG XL", "text file")),
    Family((121, 98, 72), ("archive",)),
)


def family_of(description: str) -> Family | None:
    """Return what kind of file a description tells of; None for those that get no card, such as programs."""
    return next((family for family in FAMILIES if any(word in description for word in family.words)), None)


def card(family: Family, description: str, file_name: str, size_bytes: int, edge_px: int) -> Picture:
    """Draw the card at twice its size and average it down."""
    width, height = edge_px * OVERSAMPLING, edge_px * OVERSAMPLING * SHAPE[1] // SHAPE[0]
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    unit = width / 100
    draw.rectangle((0, 0, width, 3 * unit), fill=family.colour)
    _sheet(draw, family.colour, _extension(file_name), unit)
    title, title_font = _written(_title(description), 4.9 * unit)
    for line in _lines(draw, title, title_font, 58 * unit, most=1):
        draw.text((38 * unit, 17 * unit), line, font=title_font, fill=INK)
    size, size_font = _written(size_text(size_bytes), 5 * unit)
    draw.text((38 * unit, 27 * unit), size, font=size_font, fill=FAINT)
    name, font = _written(_one_line(file_name)[-LONGEST_NAME:], 5.4 * unit)
    for number, line in enumerate(_lines(draw, name, font, 84 * unit, most=MOST_LINES)):
        draw.text((8 * unit, (52 + 8.5 * number) * unit), line, font=font, fill=INK)
    small = image.reduce(OVERSAMPLING)
    return Picture(image=small, source_width=small.width, source_height=small.height, engine="placeholder card")


def size_text(size_bytes: int) -> str:
    """Say a size as people do: 812 bytes, 4.7 kB, 12 MB."""
    value, unit = float(size_bytes), 0
    while value >= KILO and unit < len(UNITS) - 1:
        value, unit = value / KILO, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit and value < 10 else f"{value:.0f} {UNITS[unit]}"  # noqa: PLR2004


def _sheet(draw: ImageDraw.ImageDraw, colour: Colour, extension: str, unit: float) -> None:
    """A sheet of paper with a corner folded over, and what the name ends in."""
    left, top, right, bottom, fold = 8 * unit, 12 * unit, 32 * unit, 42 * unit, 7 * unit
    outline = [(left, top), (right - fold, top), (right, top + fold), (right, bottom), (left, bottom)]
    draw.polygon(outline, fill=colour)
    draw.polygon([(right - fold, top), (right - fold, top + fold), (right, top + fold)], fill=_lighter(colour))
    extension, font = _written(extension, 5.6 * unit)
    across = draw.textlength(extension, font=font)
    draw.text(((left + right - across) / 2, 27 * unit), extension, font=font, fill="white")


def _lighter(colour: Colour) -> Colour:
    red, green, blue = ((value + 255) // 2 for value in colour)
    return red, green, blue


def _title(description: str) -> str:
    article, _, rest = description.partition(" ")
    words = rest if article in {"a", "an"} else description
    return words[:1].upper() + words[1:].partition(" (")[0]


def _extension(file_name: str) -> str:
    suffix = PurePath(_one_line(file_name)).suffix.removeprefix(".").upper()
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= LONGEST_EXTENSION else ""


def _one_line(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    return "".join(character for character in composed if unicodedata.category(character)[0] != "C").strip()


def _written(text: str, size_px: float) -> tuple[str, Font]:
    """Return the text with the font that has most of its letters, less those that it lacks."""
    choices = [(_known(text, font), font) for font in _fonts(round(size_px))]
    return max(choices, key=lambda choice: len(choice[0].replace(ELLIPSIS, "")))


def _known(text: str, font: Font) -> str:
    """Put dots for letters that the font lacks."""
    missing = bytes(font.getmask(NO_LETTER))
    letters = (letter if letter.isspace() or bytes(font.getmask(letter)) != missing else ELLIPSIS for letter in text)
    return MANY_DOTS.sub(ELLIPSIS, "".join(letters))


@cache
def _fonts(size_px: int) -> Sequence[Font]:
    found = [ImageFont.truetype(path, size_px) for path in FONT_PATHS if Path(path).is_file()]
    return [*found, ImageFont.load_default(size_px)]


def _lines(draw: ImageDraw.ImageDraw, text: str, font: Font, width_px: float, *, most: int) -> list[str]:
    """Break a text at spaces, or where the line is full if there is none; cut the last line."""
    lines: list[str] = []
    while text and len(lines) < most:
        fits = _fitting(draw, text, font, width_px)
        space_at = text.rfind(" ", 0, fits) if fits < len(text) and len(lines) < most - 1 else -1
        fits = space_at + 1 if space_at > 0 else fits
        lines.append(text[:fits])
        text = text[fits:]
    if text:
        last = lines[-1]
        lines[-1] = last[: _fitting(draw, last, font, width_px - draw.textlength(ELLIPSIS, font=font))] + ELLIPSIS
    return lines


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: Font, width_px: float) -> int:
    """Return how many letters fit, one at least."""
    return max(
        1, bisect_right(range(1, len(text) + 1), width_px, key=lambda count: draw.textlength(text[:count], font=font))
    )
