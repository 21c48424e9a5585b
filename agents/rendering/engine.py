"""From bytes to an answer: the table of engines by sniffed type.

Runs inside a confined child. `render` is also a plain function, so that tests can call it in their own process.
"""

import warnings
from collections.abc import Callable, Mapping

from PIL import Image

from agents.rendering import documents, drawings, images
from agents.rendering.picture import Picture, encoded
from agents.rendering.sniff import FileType, Sniffed, contradiction, sniff
from agents.rendering.verdicts import Answer, Limits, Order, Refusal, Rendition, Unrenderable, Verdict

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
        return _refused(refusal.verdict, refusal.reason, found, note, refusal.doubt)
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
    return Rendition(
        verdict=Verdict.PARTIAL if picture.partial else Verdict.RENDERED,
        webp=encoded(picture.image, limits),
        width_px=picture.image.width,
        height_px=picture.image.height,
        format=str(found.type),
        source_width=picture.source_width,
        source_height=picture.source_height,
        engine=picture.engine,
        note=note,
        doubt=picture.doubt,
    )


def _refused(verdict: Verdict, reason: str, found: Sniffed, note: str | None, doubt: str | None = None) -> Refusal:
    return Refusal(verdict=verdict, reason=f"{reason} {note}" if note else reason, format=found.type, doubt=doubt)
