"""Photographs from Debian's wallpaper packages, unpacked, not installed; drawn landscapes where there are none."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Final, Self

from PIL import Image, ImageChops

from bench.corpus import parts
from tests.harness.files import photo
from tools.command import SetupError, run, say

PACKAGES: Final = ("mate-backgrounds", "gnome-backgrounds", "plasma-workspace-wallpapers")
# What in these packages was taken with a camera; the rest is drawn, and compresses as no photograph does.
TAKEN_WITH_A_CAMERA: Final = ("backgrounds/mate/nature/*.jpg", "wallpapers/*/contents/images/2560x1600.jpg")
LEAST_PIXELS: Final = 1_500_000
NOISE_TILE_PX: Final = 1024
NOISE_SIGMA: Final = 6.0  # with the qualities of the mix it gives 1.5 to 3 bits a pixel, as phones do
DRAWN_SIZE_PX: Final = (2560, 1920)
DRAWN: Final = 8


class Photographs:
    """Gives photographs of any size, each another cut of one of the sources."""

    def __init__(self, sources: Sequence[Path], rng: random.Random) -> None:
        self._sources = sources
        self._rng = rng
        self._noise = [_noise_tile(rng) for _ in range(3)]

    @classmethod
    def from_debian(cls, rng: random.Random) -> Self:
        """Use the packages' photographs; drawn ones when the packages cannot be had."""
        return cls(_camera_files(), rng)

    @property
    def origin(self) -> str:
        """Say where the photographs come from."""
        if not self._sources:
            return "drawn landscapes (Debian's wallpaper packages could not be had)"
        return f"{len(self._sources)} photographs of {', '.join(PACKAGES)}, resampled, with sensor noise"

    def take(self, size_px: tuple[int, int]) -> Image.Image:
        """Return a photograph of this size, with the noise that a camera would have added."""
        sharp = self._cut(size_px).resize(size_px, Image.Resampling.LANCZOS)
        return ImageChops.add(sharp, self._grain(size_px), 1, -128)

    def _cut(self, size_px: tuple[int, int]) -> Image.Image:
        """Choose a source and a part of it with the aspect of the size, at least three quarters as large as can be."""
        source = self._source()
        scale = min(source.width / size_px[0], source.height / size_px[1]) * self._rng.uniform(0.75, 1)
        width, height = round(size_px[0] * scale), round(size_px[1] * scale)
        left, top = self._rng.randint(0, source.width - width), self._rng.randint(0, source.height - height)
        return source.crop((left, top, left + width, top + height))

    def _source(self) -> Image.Image:
        if not self._sources:
            return photo(DRAWN_SIZE_PX, seed=self._rng.randrange(DRAWN))
        with Image.open(self._rng.choice(self._sources)) as image:
            return image.convert("RGB")

    def _grain(self, size_px: tuple[int, int]) -> Image.Image:
        grain = Image.new("RGB", size_px)
        for left in range(0, size_px[0], NOISE_TILE_PX):
            for top in range(0, size_px[1], NOISE_TILE_PX):
                tile = Image.merge("RGB", self._rng.sample(self._noise, 3))
                grain.paste(tile.transpose(self._rng.choice([*Image.Transpose])), (left, top))
        return grain


def _noise_tile(rng: random.Random) -> Image.Image:
    """Gaussian noise around 128."""
    normal = NormalDist(128, NOISE_SIGMA)
    levels = [round(normal.inv_cdf((value + 0.5) / 256)) for value in range(256)]
    size_px = (NOISE_TILE_PX, NOISE_TILE_PX)
    return Image.frombytes("L", size_px, rng.randbytes(NOISE_TILE_PX * NOISE_TILE_PX)).point(levels)


def _camera_files() -> list[Path]:
    try:
        folder = parts.keep("photographs-1", _unpack)
    except SetupError as error:
        say(f"photographs: {str(error).splitlines()[0]}; landscapes are drawn instead")
        return []
    found = sorted(path for pattern in TAKEN_WITH_A_CAMERA for path in folder.glob(f"usr/share/{pattern}"))
    return [path for path in found if _pixels(path) >= LEAST_PIXELS]


def _unpack(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        raise SetupError("no apt-get on this machine")
    run("Debian packages of photographs", ["env", "-C", folder, "apt-get", "download", "-q", *PACKAGES])
    for package in folder.glob("*.deb"):
        run(f"unpacking {package.name}", ["dpkg-deb", "-x", package, folder])
        package.unlink()


def _pixels(path: Path) -> int:
    with Image.open(path) as image:
        return image.width * image.height
