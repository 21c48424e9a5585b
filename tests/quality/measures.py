"""How alike two pictures are: in decibels, in structure, in colour as people see it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]

WINDOW = 11  # Wang et al., "Image quality assessment", 2004: Gaussian, 11 x 11, sigma 1.5
SIGMA = 1.5
LUMINANCE_FLOOR = (0.01 * 255) ** 2
CONTRAST_FLOOR = (0.03 * 255) ** 2


def pixels(image: Image.Image, background: str = "white") -> Array:
    """Return the colours that are seen where the picture lies on a background."""
    if image.mode == "RGBA":
        below = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(below, image)
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def psnr_db(left: Array, right: Array) -> float:
    """Return the peak signal-to-noise ratio; 99 for equal pictures."""
    error = float(((left - right) ** 2).mean())
    return 10 * float(np.log10(255**2 / error)) if error > 1e-5 else 99.0


def ssim(left: Array, right: Array) -> float:
    """Return the mean structural similarity of the luma."""
    x, y = _luma(left), _luma(right)
    mean_x, mean_y = _smoothed(x), _smoothed(y)
    variance_x, variance_y = _smoothed(x * x) - mean_x**2, _smoothed(y * y) - mean_y**2
    covariance = _smoothed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + LUMINANCE_FLOOR) / (mean_x**2 + mean_y**2 + LUMINANCE_FLOOR)
    structure = (2 * covariance + CONTRAST_FLOOR) / (variance_x + variance_y + CONTRAST_FLOOR)
    return float((luminance * structure).mean())


def lab_of(srgb: Array) -> Array:
    """Return CIE L*a*b* under D65 of sRGB values from 0 to 255 (IEC 61966-2-1)."""
    shares = np.asarray(srgb, dtype=np.float64) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def delta_e(left: Array, right: Array) -> Array:
    """Return the distance of each pair of sRGB colours in L*a*b* (CIE 1976); two or three is just visible."""
    distances: Array = np.linalg.norm(lab_of(left) - lab_of(right), axis=-1)
    return distances


def _luma(rgb: Array) -> Array:
    luma: Array = rgb @ np.array([0.299, 0.587, 0.114])
    return luma


def _smoothed(plane: Array) -> Array:
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    rows = sum(weight * plane[at : plane.shape[0] - WINDOW + 1 + at] for at, weight in enumerate(weights))
    assert isinstance(rows, np.ndarray)
    both = sum(weight * rows[:, at : rows.shape[1] - WINDOW + 1 + at] for at, weight in enumerate(weights))
    assert isinstance(both, np.ndarray)
    return both
