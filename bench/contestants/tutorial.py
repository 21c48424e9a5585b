"""The tutorial's way: load the whole picture, thumbnail with Lanczos, WebP at quality 85; PDFs at 150 dpi first."""

from pathlib import Path

import pillow_heif
from pdf2image import convert_from_path
from PIL import Image

from bench.contestants.in_process import costs
from bench.contestants.job import EDGE_PX, QUALITY, answer, given

DPI = 150


def preview(path: Path, out: Path) -> None:
    """Make one preview."""
    save_preview(
        convert_from_path(path, dpi=DPI, first_page=1, last_page=1)[0] if is_pdf(path) else Image.open(path), out
    )


def save_preview(image: Image.Image, out: Path) -> None:
    """Shrink and save, as the tutorial does."""
    image.load()
    if image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGB")
    image.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.LANCZOS)
    image.save(out, "WEBP", quality=QUALITY)


def is_pdf(path: Path) -> bool:
    """Tell by the name: the tutorial goes by the MIME type that the event states."""
    return path.suffix == ".pdf"


if __name__ == "__main__":
    pillow_heif.register_heif_opener()
    answer(costs(given(), preview))
