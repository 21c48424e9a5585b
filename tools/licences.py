"""python -m tools.licences: writes docs/licences.md from what the locked requirements say of themselves, as installed.

`--check` writes nothing and ends with 1 where the page is not what would be written. What a distribution says of its
licence is taken as it is, but for other spellings of one name; what a wheel brings along of other projects says
nothing, so its licence stands here, and a library or package that is not listed ends the command.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/licences.md"
LOCKED: Final = ROOT / "requirements/runtime.txt"
IMAGE: Final = ROOT / "Dockerfile"

SPELLINGS: Final[Mapping[str, str]] = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD-3-Clause, Apache-2.0, dependency licenses": "BSD-3-Clause, Apache-2.0, and those of PDFium's parts",
    "BSD-derived (Repoze)": "BSD-derived (Repoze)",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Repoze Public License": "BSD-derived (Repoze)",
}
VAGUE: Final = {"", "Dual License"}
LONGEST_NAME: Final = 60  # what is longer is the text of a licence, not its name
TEXTS: Final[Mapping[str, str]] = {"Permission is hereby granted, free of charge": "MIT"}
"""By the sentence that tells a licence's text, for those that name none."""
BUNDLED: Final[Mapping[str, str]] = {
    "libXau": "MIT",
    "libavif": "BSD-2-Clause",
    "libbrotlicommon": "MIT",
    "libbrotlidec": "MIT",
    "libde265": "LGPL-3.0-or-later",
    "libfreetype": "FTL (or GPL-2.0)",
    "libharfbuzz": "MIT",
    "libheif": "LGPL-3.0-or-later",
    "libjpeg": "IJG, BSD-3-Clause",
    "liblcms2": "MIT",
    "liblzma": "0BSD",
    "libopenjp2": "BSD-2-Clause",
    "libpng16": "libpng-2.0",
    "librdkafka": "BSD-2-Clause, and those of OpenSSL, zlib, zstd and others in it",
    "libsharpyuv": "BSD-3-Clause",
    "libtiff": "libtiff",
    "libvips": "LGPL-2.1-or-later, and those of GLib, cairo, librsvg and others in it",
    "libwebp": "BSD-3-Clause",
    "libwebpdemux": "BSD-3-Clause",
    "libwebpmux": "BSD-3-Clause",
    "libx265": "GPL-2.0-or-later",
    "libxcb": "MIT",
    "libzstd": "BSD-3-Clause (or GPL-2.0)",
}
"""Shared libraries in wheels, by the name before the first dash."""
DEBIAN: Final[Mapping[str, tuple[str, str]]] = {
    "ca-certificates": ("MPL-2.0, its scripts GPL-2.0-or-later", "the authorities that TLS trusts"),
    "fonts-dejavu-core": ("Bitstream Vera, and public domain", "texts in SVG files and on cards"),
    "libjemalloc2": ("BSD-2-Clause", "memory, loaded by the dynamic linker"),
    "poppler-utils": ("GPL-2.0 or GPL-3.0", "second opinion for PDFs, a process of its own"),
    "python3.11": ("PSF-2.0", "runs everything"),
}
"""What the Dockerfile installs, with its licence by /usr/share/doc/*/copyright, and what for."""

HEAD: Final = """\
# Licences of what the image ships

Written by `make licences` from the metadata of the locked distributions
([requirements/runtime.txt](../requirements/runtime.txt)), the libraries in their wheels, and what the
[Dockerfile](../Dockerfile) installs; a test fails when it is out of date. It tells what the projects say of themselves,
and is no legal advice. The texts are in the image: in each `*.dist-info` folder of
`/opt/venv/lib/python3.11/site-packages`, and `/usr/share/doc/*/copyright` of Debian's packages.

## What follows from it

Who runs the image hands nothing on. Who gives it to others, to customers for instance, owes what the licences ask for:

- **x265 (GPL-2.0-or-later)** comes in the wheel of pillow-heif and is loaded together with libheif (LGPL) for HEIC. The
  wheel's own LICENSES_bundled.txt calls it GPL-2.0 as a whole for that: an image that is given to others must come
  with, or offer, the source of what is linked into that process. x265 encodes, and nothing here encodes HEIC: a
  pillow-heif that is built against a libheif without it is free of the GPL.
- **poppler (GPL)** is called as programs, `pdftoppm` and `pdfinfo`, and linked to nothing. Its source must be offered
  with the image; that is Debian's source package.
- **LGPL libraries** (libvips and what is in it, libheif, libde265) are shared objects in folders of their own, which
  may be exchanged: name them, keep their texts, and offer their source.
- **MPL-2.0** (certifi, ca-certificates) covers its own files, which are unchanged.
- All else (MIT, BSD, Apache-2.0, PSF and the like) wants its notice kept, which is in the image.

The servers of the tests (Kafka, MinIO and others), and what `make check` and the benches install, are in no image.
"""


class UnknownLicenceError(Exception):
    """Something that the image ships has no licence that is known here; one line."""


def required(text: str) -> Iterator[str]:
    """Yield the distributions of a lock that are installed on this platform."""
    for line in re.findall(r"^([A-Za-z0-9].*?)(?: \\)?$", text, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name


def licence(of: Distribution) -> str:
    """Return what a distribution says of its licence."""
    about = of.metadata.json
    expression, field = str(about.get("license_expression", "")), str(about.get("license", "")).strip()
    if expression:
        return expression
    if field not in VAGUE and len(field) <= LONGEST_NAME and "\n" not in field:
        return SPELLINGS.get(field, field)
    classifiers = [str(line) for line in about.get("classifier", [])]
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    if named:
        return " or ".join(SPELLINGS.get(name, name) for name in named)
    return _by_text(of)


def _by_text(of: Distribution) -> str:
    for file in of.files or ():
        if "licens" in file.name.lower() and file.suffix in {"", ".txt", ".md"}:
            text = " ".join(file.read_text().split())
            for sentence, name in TEXTS.items():
                if sentence in text:
                    return name
    raise UnknownLicenceError(f"{of.name} names no licence: find out, and add it to tools/licences.py")


def bundled(of: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the shared libraries of other projects in a wheel, with their licences."""
    names = {file.name.partition("-")[0] for file in of.files or () if file.parts[0].endswith(".libs")}
    for name in sorted(names):
        if name not in BUNDLED:
            raise UnknownLicenceError(f"{name} in the wheel of {of.name}: add its licence to tools/licences.py")
        yield name, BUNDLED[name]


def debian_packages(dockerfile: str) -> list[str]:
    """Return the Debian packages that a Dockerfile installs into the image itself."""
    system = dockerfile.partition(" AS system")[2].partition("\nFROM ")[0]
    found = re.search(r"apt-get install([^&]*)", system)
    words = found[1].replace("\\", " ").split() if found else []
    return sorted(word for word in words if not word.startswith("-"))


def page(distributions: Iterable[Distribution], packages: Iterable[str]) -> str:
    """Return the page."""
    shipped = sorted(distributions, key=lambda one: one.name.lower())
    ours = [f"| {one.name} | {licence(one)} |" for one in shipped]
    within = [f"| {name} | {one.name} | {terms} |" for one in shipped for name, terms in bundled(one)]
    return "\n".join(
        [
            HEAD,
            *("## Python distributions", "", "| distribution | licence |", "| --- | --- |", *ours, ""),
            *("## Libraries in their wheels", "", "| library | in the wheel of | licence |", "| --- | --- | --- |"),
            *(*within, "", "## Debian packages", "", "| package | licence | what for |", "| --- | --- | --- |"),
            *(_debian(name) for name in packages),
            "",
            "Debian's base image and what these packages depend on have each package's licence in the image itself.",
            "",
        ]
    )


def _debian(package: str) -> str:
    if package not in DEBIAN:
        raise UnknownLicenceError(f"Debian's {package}: add its licence to tools/licences.py")
    terms, purpose = DEBIAN[package]
    return f"| {package} | {terms} | {purpose} |"


def wanted() -> str:
    """Return the page as it is to be now."""
    distributions = [distribution(name) for name in required(LOCKED.read_text())]
    return page(distributions, debian_packages(IMAGE.read_text()))


def main(arguments: list[str]) -> None:
    """Write the page, or check it."""
    try:
        text = wanted()
    except UnknownLicenceError as error:
        sys.exit(str(error))
    if "--check" in arguments:
        sys.exit(None if PAGE.read_text() == text else f"{PAGE.name} is out of date: make licences")
    PAGE.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
