"""The first page of a PDF: PDFium first, poppler through pdf2image as the second opinion.

Both are asked for a size in pixels, never for a resolution: a page box of 12000 points at 150 dpi takes gigabytes.
PDFium draws hairlines too thick at preview size, so it renders at twice the size and is averaged down.
"""

import os
from typing import Final

import pdf2image
import pypdfium2
from pdf2image.exceptions import PDFInfoNotInstalledError, PDFPageCountError, PDFPopplerTimeoutError, PDFSyntaxError
from PIL import Image
from pypdfium2 import raw as pdfium_c

from agents.rendering.picture import Picture, shrunk
from agents.rendering.verdicts import Limits, Unrenderable, Verdict

OVERSAMPLING: Final = 2
OVERSAMPLED_PX: Final = 1024  # larger previews draw hairlines as thin as they should be, and cost enough as they are
REDUCING_GAP: Final = 2.0
WHITE: Final = ((255, 255), (255, 255), (255, 255))
LEAST_PLAUSIBLE_EDGE_PX: Final = 2


def pdfium_page(payload: bytes, limits: Limits) -> Picture:
    """Render page 1 with PDFium; a failure that poppler may not share carries a doubt."""
    document = _document(payload)
    try:
        document.init_forms()
        page = document[0]
        return _rendered(page, limits)
    except (pypdfium2.PdfiumError, IndexError, ValueError) as error:
        reason = "The PDF has no page that can be drawn."
        raise Unrenderable(Verdict.CORRUPT, reason, doubt=f"PDFium: {error}") from error
    finally:
        document.close()


def poppler_page(payload: bytes, limits: Limits) -> Picture:
    """Render page 1 with poppler's pdftoppm, which runs as a child of this process."""
    descriptor = os.memfd_create("pdf")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as memory:
            memory.write(payload)
        image = _poppler_image(f"/proc/{os.getpid()}/fd/{descriptor}", limits)
    finally:
        os.close(descriptor)
    return Picture(
        image=shrunk(image, limits.largest_edge_px, REDUCING_GAP),
        source_width=image.width,
        source_height=image.height,
        engine="poppler",
    )


def _document(payload: bytes) -> pypdfium2.PdfDocument:
    # PDFium's last error is one for the process, and not every failure sets it: without this certain failure,
    # a damaged file that follows an encrypted one would be called encrypted.
    pdfium_c.FPDF_LoadMemDocument(b"", 0, None)
    try:
        return pypdfium2.PdfDocument(payload)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            raise Unrenderable(Verdict.ENCRYPTED, "The PDF asks for a password.") from error
        if error.err_code == pdfium_c.FPDF_ERR_SECURITY:
            reason = "The PDF is protected in a way that cannot be opened here."
            raise Unrenderable(Verdict.ENCRYPTED, reason, doubt=f"PDFium: {error}") from error
        reason = "The PDF is damaged and cannot be opened."
        raise Unrenderable(Verdict.CORRUPT, reason, doubt=f"PDFium: {error}") from error


def _rendered(page: pypdfium2.PdfPage, limits: Limits) -> Picture:
    width_points, height_points = page.get_size()
    longest = max(width_points, height_points)
    if min(width_points, height_points) <= 0:
        raise ValueError("the page has no area")
    times = _oversampling(limits)
    bitmap = page.render(scale=times * limits.largest_edge_px / longest, prefer_bgrx=True)
    image = bitmap.to_pil().convert("RGB").reduce(times)
    blank = image.getextrema() == WHITE and _holds_anything(page)
    return Picture(
        image=shrunk(image, limits.largest_edge_px, REDUCING_GAP),
        source_width=round(width_points),
        source_height=round(height_points),
        engine="pdfium",
        doubt="PDFium drew a blank page, though the page holds objects" if blank else None,
    )


def _oversampling(limits: Limits) -> int:
    return OVERSAMPLING if limits.largest_edge_px <= OVERSAMPLED_PX else 1


def _holds_anything(page: pypdfium2.PdfPage) -> bool:
    objects: int = pdfium_c.FPDFPage_CountObjects(page)
    annotations: int = pdfium_c.FPDFPage_GetAnnotCount(page)
    return objects + annotations > 0


def _poppler_image(path: str, limits: Limits) -> Image.Image:
    """Look at the picture, not at the code: pdftoppm may return 0 with none, or with one of a single pixel."""
    try:
        images = pdf2image.convert_from_path(
            path,
            size=_oversampling(limits) * limits.largest_edge_px,
            single_file=True,
            timeout=round(limits.wall_seconds),
        )
    except (PDFPageCountError, PDFSyntaxError, PDFPopplerTimeoutError, PDFInfoNotInstalledError, OSError) as error:
        raise Unrenderable(Verdict.CORRUPT, "The PDF is damaged: two engines cannot open it.") from error
    if not images or max(images[0].size) < LEAST_PLAUSIBLE_EDGE_PX:
        raise Unrenderable(Verdict.CORRUPT, "The PDF is damaged: two engines draw nothing.")
    image = images[0].convert("RGB")
    if image.getextrema() == WHITE:
        raise Unrenderable(Verdict.CORRUPT, "Poppler drew a blank page.")
    return image
