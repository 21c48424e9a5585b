"""SVG drawings through resvg: no scripts, no animation, nothing from outside the file.

Two walls keep it from other files: references that lead outside are defused here before it sees them, and the child
that it runs in may open none but code and fonts.
"""

import re
from io import BytesIO
from typing import Final

from PIL import Image

from agents.rendering.picture import Picture
from agents.rendering.sniff import UTF_16_MARKS
from agents.rendering.verdicts import Limits, Unrenderable, Verdict

try:
    import resvg_py
except ImportError:  # drawings are then unsupported, like any other type without an engine
    resvg_py = None  # type: ignore[assignment]

MOST_BYTES: Final = 5_000_000
# Neither a part of this file nor data within it; the # that is put in front makes it a part that does not exist.
OUTSIDE_REFERENCE: Final = re.compile(r"""(href\s*=\s*["'])(?!\s*(?:#|data:))""", re.IGNORECASE)
# An entity made of others may grow without bound, one with escapes may hide a reference from the pattern above.
UNSAFE_ENTITY: Final = re.compile(r"<!ENTITY[^>]*?(?:&|\s(?:SYSTEM|PUBLIC)\s)")
# Debian's fonts-dejavu-core stands in for every font that a drawing names; without it, drawings lack their text.
FONTS: Final = tuple(f"/usr/share/fonts/truetype/dejavu/{name}.ttf" for name in ("DejaVuSans", "DejaVuSansMono"))
SANS: Final = "DejaVu Sans"
MONOSPACE: Final = "DejaVu Sans Mono"


def drawing_of(payload: bytes, limits: Limits) -> Picture:
    """Draw an SVG as large as a preview may be: a drawing has no size of its own, only a shape."""
    if resvg_py is None:
        raise Unrenderable(Verdict.UNSUPPORTED, "No preview is made of an SVG drawing.")
    if len(payload) > MOST_BYTES:
        raise Unrenderable(Verdict.TOO_LARGE, f"Drawings are limited to {MOST_BYTES / 1e6:.0f} MB.")
    text = _defused(payload)
    try:
        png = _drawn(text, limits.largest_edge_px)
    except ValueError as error:
        raise Unrenderable(Verdict.CORRUPT, f"The drawing cannot be read ({error!s:.200}).") from error
    with Image.open(BytesIO(png), formats=["PNG"]) as image:
        image.load()
        return Picture(image=image, source_width=image.width, source_height=image.height, engine="resvg")


def _defused(payload: bytes) -> str:
    try:
        text = payload.decode("utf-16" if payload.startswith(UTF_16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unrenderable(Verdict.UNSUPPORTED, "The drawing is written in neither UTF-8 nor UTF-16.") from error
    if UNSAFE_ENTITY.search(text):
        raise Unrenderable(Verdict.UNSUPPORTED, "The drawing is built of entities that are not expanded here.")
    return OUTSIDE_REFERENCE.sub(r"\1#", text)


def _drawn(text: str, edge_px: int) -> bytes:
    """Fit the drawing into a square; raises ValueError, also where the library panics."""
    try:
        drawn: bytes = resvg_py.svg_to_bytes(
            svg_string=text,
            width=edge_px,
            height=edge_px,
            skip_system_fonts=True,
            font_files=list(FONTS),
            font_family=SANS,
            serif_family=SANS,
            sans_serif_family=SANS,
            cursive_family=SANS,
            fantasy_family=SANS,
            monospace_family=MONOSPACE,
        )
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # Rust's, which is no Exception
            raise ValueError("the renderer gave up") from error
        raise
    return drawn
