"""A peer: Pillow used well in a few lines, without a child process; JPEGs shrink while they are decoded."""

from functools import partial
from pathlib import Path

import pillow_heif
from pdf2image import convert_from_path
from PIL import Image, ImageOps

from bench.contestants.in_process import costs
from bench.contestants.job import EDGE_PX, QUALITY, answer, given
from bench.contestants.tutorial import is_pdf


def preview(path: Path, out: Path, effort: int) -> None:
    """Make one preview."""
    image = convert_from_path(path, size=EDGE_PX, single_file=True)[0] if is_pdf(path) else Image.open(path)
    image.thumbnail((EDGE_PX, EDGE_PX), Image.Resampling.LANCZOS)
    upright = ImageOps.exif_transpose(image)
    upright.save(out, "WEBP", quality=QUALITY, method=effort)


if __name__ == "__main__":
    pillow_heif.register_heif_opener()
    job = given()
    answer(costs(job, partial(preview, effort=job.effort)))
