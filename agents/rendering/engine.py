"""From bytes to an answer: the table of engines by sniffed type.

Runs inside a confined child. `render` is also a plain function, so that tests can call it in their own process.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from PIL import Image

from agents.rendering import cards, documents, drawings, images
from agents.rendering.glimpse import glimpse_of
from agents.rendering.picture import Picture, encoded, shrunk
from agents.rendering.sniff import FileType, Sniffed, contradiction, sniff
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Rendition, Unrenderable, Variant, Verdict

REDUCING_GAP: Final = 2.0

Engine = Callable[[bytes, FileType, Limits], Picture]


def _pdfium(payload: bytes, _: FileType, limits: Limits) -> Picture:
    return documents.pdfium_page(payload, limits)


def _resvg(payload: bytes, _: FileType, limits: Limits) -> Picture:
    return drawings.drawing_of(payload, limits)


ENGINES: Mapping[FileType, Engine] = {
    **dict.fromkeys(images.PILLOW_FORMATS, images.picture_of),
    FileType.HEIC: images.picture_of,
    FileType.PDF: _pdfium,
    FileType.SVG: _resvg,
}


def render(payload: bytes, order: Order) -> Answer:
    """Make a preview of a file or say why there is none; a file's fault never raises."""
    found = sniff(payload)
    claims = contradiction(found, order.file_name, order.declared_mime)
    note = f"The file is {claims}, but it is {found.description}." if claims else None
    try:
        picture = _picture(payload, found, order)
    except Unrenderable as refusal:
        refused = _refused(refusal.verdict, refusal.reason, found, note, refusal.doubt)
        return _card(found, order, refused.reason) or refused
    except MemoryError:
        reason = "Decoding this file takes more memory than a preview may use."
        return _refused(Verdict.TOO_LARGE, reason, found, note)
    return _rendition(picture, found, note, order.limits)


def preload() -> None:
    """Load what every child needs, once, before children are forked from this process."""
    images.preload()


def _picture(payload: bytes, found: Sniffed, order: Order) -> Picture:
    if found.type is None:
        verdict = Verdict.UNSUPPORTED if payload else Verdict.CORRUPT
        raise Unrenderable(verdict, f"No preview is made of {found.description}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if order.second_opinion and found.type is FileType.PDF:
            return documents.poppler_page(payload, order.limits)
        return ENGINES[found.type](payload, found.type, order.limits)


def _rendition(picture: Picture, found: Sniffed, note: str | None, limits: Limits) -> Rendition:
    preview = shrunk(picture.image, limits.max_edge_px, REDUCING_GAP)
    moving = picture.animation
    return Rendition(
        verdict=Verdict.PARTIAL if picture.partial else Verdict.RENDERED,
        webp=encoded(preview, limits) if moving is None else moving.webp,
        width_px=preview.width,
        height_px=preview.height,
        format=str(found.type),
        source_width=picture.source_width,
        source_height=picture.source_height,
        engine=picture.engine,
        variants=tuple(_variant(picture, edge_px, limits) for edge_px in limits.options.extra_edges_px),
        frames=1 if moving is None else moving.frames,
        glimpse=glimpse_of(preview, limits.options.glimpse),
        note=note,
        doubt=picture.doubt,
    )


def _variant(picture: Picture, edge_px: int, limits: Limits) -> Variant:
    image = shrunk(picture.image, edge_px, REDUCING_GAP)
    return Variant(webp=encoded(image, limits), width_px=image.width, height_px=image.height)


def _card(found: Sniffed, order: Order, note: str) -> Rendition | None:
    """Draw what stands in for a picture, where that is wanted and the file is of a kind that has a card."""
    family = cards.family_of(found.description)
    if found.type is not None or family is None or not order.limits.options.cards:
        return None
    picture = cards.card(family, found.description, order.file_name, order.size_bytes, order.limits.largest_edge_px)
    rendition = _rendition(picture, found, note, order.limits)
    return msgspec.structs.replace(rendition, verdict=Verdict.UNSUPPORTED, format="")


def _refused(verdict: Verdict, reason: str, found: Sniffed, note: str | None, doubt: str | None = None) -> Refusal:
    return Refusal(verdict=verdict, reason=f"{reason} {note}" if note else reason, format=found.type, doubt=doubt)
