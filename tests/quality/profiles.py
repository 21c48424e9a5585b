"""ICC profiles written by hand, so that what they mean is known without asking the library that reads them.

Source: ICC.1:2001-04 (profile version 2).
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from tests.quality.measures import Array

WHITE_D50 = (0.9642, 1.0, 0.8249)
# Adobe RGB (1998), adapted to D50: columns are red, green, blue.
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
ADOBE_GAMMA = 563 / 256
D50_TO_LINEAR_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)


def adobe_rgb() -> bytes:
    """Return a matrix profile of a wider space than sRGB."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)
    colorants = {f"{name}XYZ": _xyz(ADOBE_RGB[:, column]) for column, name in enumerate("rgb")}
    curves = {f"{name}TRC": curve for name in "rgb"}
    return _profile(b"RGB ", b"XYZ ", {**colorants, **curves, "wtpt": _xyz(WHITE_D50)})


def adobe_rgb_as_srgb(values: Array) -> Array:
    """Say what the profile above means, by its definition alone."""
    return _as_srgb(((values / 255) ** ADOBE_GAMMA) @ ADOBE_RGB.T)


def press(corners: Sequence[tuple[float, float, float]]) -> bytes:
    """Return a CMYK profile that means the L*a*b* colour given for each of the sixteen all-or-nothing mixes.

    In the order in which black changes fastest and cyan slowest.
    """
    identity = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    ramp = bytes(range(256))
    grid = bytes(value for lab in corners for value in _lab8(lab))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + grid + ramp * 3
    return _profile(b"CMYK", b"Lab ", {"A2B0": table, "A2B1": table, "wtpt": _xyz(WHITE_D50)}, kind=b"prtr")


def lab_as_srgb(lab: Array) -> Array:
    """Say what colours L*a*b* values under D50 are, as the profile above gives them (CIE 15)."""
    y = (lab[..., 0] + 16) / 116
    roots = np.stack((y + lab[..., 1] / 500, y, y - lab[..., 2] / 200), axis=-1)
    return _as_srgb(np.where(roots > 6 / 29, roots**3, (roots - 16 / 116) / 7.787) * WHITE_D50)


def _as_srgb(xyz: Array) -> Array:
    linear = np.clip(xyz @ D50_TO_LINEAR_SRGB.T, 0, 1)
    encoded: Array = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded


def _lab8(lab: tuple[float, float, float]) -> tuple[int, int, int]:
    return round(lab[0] * 2.55), round(lab[1] + 128), round(lab[2] + 128)


def _xyz(values: Sequence[float] | Array) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _profile(space: bytes, connection: bytes, tags: Mapping[str, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {
        "desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        "cprt": b"text\0\0\0\0none\0",
        **tags,
    }
    table, bodies, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += struct.pack(">4sII", name.encode(), at + len(bodies), len(body))
        bodies += padded
    white = struct.pack(">3i", *(round(value * 65536) for value in WHITE_D50))
    header = struct.pack(">I4sI4s4s4s", at + len(bodies), b"none", 0x02400000, kind, space, connection)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return header.ljust(128, b"\0") + table + bodies
