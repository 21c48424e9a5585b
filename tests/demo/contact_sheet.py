"""Before and after, as a page and as one picture."""

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pillow_heif
import pypdfium2
from PIL import Image, ImageDraw, ImageFont, ImageOps

from stream.messages import Outcome

CELL: Final = (300, 300)
MARGIN: Final = 20
CAPTION: Final = 64
COLUMNS: Final = 3
PAPER: Final = (246, 246, 243)
INK: Final = (30, 30, 30)
BAD: Final = (160, 30, 30)


@dataclass
class Exhibit:
    """One file, and what became of it."""

    name: str
    original: bytes
    outcome: Outcome | None = None
    preview: bytes | None = None

    @property
    def verdict(self) -> str:
        return self.outcome.verdict if self.outcome else "no outcome"

    @property
    def reason(self) -> str:
        return self.outcome.reason if self.outcome else ""


def write_page(folder: Path, exhibits: Sequence[Exhibit]) -> None:
    """Write index.html with the pictures beside it."""
    for name in ("before", "after"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    figures = []
    for number, exhibit in enumerate(exhibits):
        before = before_picture(exhibit)
        if before is not None:
            before.save(folder / f"before/{number}.png")
        if exhibit.preview is not None:
            (folder / f"after/{number}.webp").write_bytes(exhibit.preview)
        figures.append(_figure(number, exhibit, shown=before is not None))
    (folder / "index.html").write_text(PAGE.format(figures="\n".join(figures)), encoding="utf-8")


def _figure(number: int, exhibit: Exhibit, *, shown: bool) -> str:
    before = f'<img src="before/{number}.png" alt="before">' if shown else "<i>not to be shown</i>"
    after = f'<img src="after/{number}.webp" alt="after">' if exhibit.preview else "<i>no preview</i>"
    size = ""
    if exhibit.outcome and exhibit.outcome.picture:
        picture = exhibit.outcome.picture
        size = f"{picture.width_px} × {picture.height_px}, {picture.size_bytes:,} bytes, {picture.engine}"
    caption = f"<b>{html.escape(exhibit.name)}</b> {len(exhibit.original):,} bytes → {html.escape(exhibit.verdict)}"
    detail = html.escape(exhibit.reason or size)
    return f"<figure><div>{before}{after}</div><figcaption>{caption}<br>{detail}</figcaption></figure>"


PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Before and after</title>
<style>
body {{ font: 15px/1.4 sans-serif; margin: 2rem; background: #f6f6f3; color: #1e1e1e }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(640px, 1fr)); gap: 1.5rem }}
figure {{ margin: 0; padding: 1rem; background: white; border-radius: 6px }}
figure div {{ display: grid; grid-template-columns: 300px 300px; gap: 1rem; min-height: 120px; align-items: center }}
img {{ max-width: 300px; max-height: 300px;
  background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 / 16px 16px }}
i {{ color: #a01e1e }} figcaption {{ margin-top: .75rem }}
</style>
<h1>Before and after</h1><main>
{figures}
</main></html>
"""


def write_sheet(path: Path, exhibits: Sequence[Exhibit]) -> None:
    """Write one PNG with every file before (left) and after (right)."""
    rows = -(-len(exhibits) // COLUMNS)
    width, height = 2 * CELL[0] + 3 * MARGIN, CELL[1] + CAPTION + 2 * MARGIN
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), PAPER)
    for number, exhibit in enumerate(exhibits):
        left, top = number % COLUMNS * width + MARGIN, number // COLUMNS * height + MARGIN
        _paste(sheet, before_picture(exhibit), (left, top), "not to be shown")
        preview = Image.open(io.BytesIO(exhibit.preview), formats=["WEBP"]) if exhibit.preview else None
        _paste(sheet, preview, (left + CELL[0] + MARGIN, top), "no preview")
        _write(sheet, exhibit, (left, top + CELL[1] + 8))
    sheet.save(path)


def _paste(sheet: Image.Image, picture: Image.Image | None, place: tuple[int, int], without: str) -> None:
    draw = ImageDraw.Draw(sheet)
    if picture is None:
        draw.text((place[0] + CELL[0] // 2, place[1] + CELL[1] // 2), without, fill=BAD, anchor="mm", font=_font(18))
        return
    shown = picture.convert("RGBA")
    offset = place[0] + (CELL[0] - shown.width) // 2, place[1] + (CELL[1] - shown.height) // 2
    board = _chessboard(shown.size)
    board.paste(shown, mask=shown)
    sheet.paste(board, offset)


def _write(sheet: Image.Image, exhibit: Exhibit, place: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text(place, f"{exhibit.name}: {exhibit.verdict}", fill=INK, font=_font(18))
    draw.text((place[0], place[1] + 26), exhibit.reason[:76], fill=BAD, font=_font(14))


def _chessboard(size: tuple[int, int]) -> Image.Image:
    board = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(board)
    for top in range(0, size[1], 10):
        for left in range(top % 20, size[0], 20):
            draw.rectangle((left, top, left + 9, top + 9), fill=(221, 221, 221))
    return board


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def before_picture(exhibit: Exhibit) -> Image.Image | None:
    """Return the file as a viewer would show it, small; None for what no viewer should open."""
    if exhibit.verdict not in {"rendered", "partial"}:
        return None
    if exhibit.original.startswith(b"%PDF"):
        page = pypdfium2.PdfDocument(exhibit.original)[0]
        picture: Image.Image = page.render(scale=CELL[0] / max(page.get_size())).to_pil()
        return picture
    pillow_heif.register_heif_opener()
    picture = Image.open(io.BytesIO(exhibit.original))
    if exhibit.verdict == "partial":
        return Image.new("RGB", (CELL[0], CELL[1] * 3 // 4), (190, 190, 190))
    picture = ImageOps.exif_transpose(picture) if picture.format != "JPEG" else picture
    picture.thumbnail(CELL)
    return picture.convert("RGBA")
