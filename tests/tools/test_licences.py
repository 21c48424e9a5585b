import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from tools.licences import (
    IMAGE,
    LOCKED,
    PAGE,
    UnknownLicenceError,
    bundled,
    debian_packages,
    licence,
    page,
    required,
    wanted,
)


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folder: Path, metadata: str, **files: str) -> Distribution:
    """Install a distribution that consists of metadata and these files."""
    about = folder / "made-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made\nVersion: 1.0\n{metadata}")
    paths = []
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        paths.append(f"{name},,")
    (about / "RECORD").write_text("\n".join(paths))
    return Distribution.at(about)


def test_the_page_is_what_would_be_written_now() -> None:
    assert PAGE.read_text() == wanted()


def test_every_locked_distribution_is_on_the_page_with_a_licence() -> None:
    rows = dict(re.findall(r"^\| (\S+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE))
    told = {named(name): terms for name, terms in rows.items()}
    locked = re.findall(r"^([A-Za-z0-9._-]+)==(?!.*win32)", LOCKED.read_text(), re.MULTILINE)
    assert len(locked) > 40
    assert {named(name) for name in locked} <= told.keys()
    assert all(told[named(name)].strip() for name in locked)


def test_every_library_that_a_wheel_brings_along_is_on_the_page() -> None:
    text = PAGE.read_text()

    def libraries() -> Iterator[str]:
        for name in required(LOCKED.read_text()):
            yield from (file.name for file in distribution(name).files or () if ".libs/" in str(file))

    found = list(libraries())
    assert found
    assert [name for name in found if f"| {name.partition('-')[0]} |" not in text] == []


def test_every_debian_package_of_the_image_is_on_the_page() -> None:
    packages = debian_packages(IMAGE.read_text())
    assert "poppler-utils" in packages
    assert [name for name in packages if f"| {name} |" not in PAGE.read_text()] == []


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("License-Expression: MIT\nLicense: other\n", "MIT"),
        ("License: Apache 2.0\n", "Apache-2.0"),
        (f"License: {'text ' * 30}\nClassifier: License :: OSI Approved :: MIT License\n", "MIT"),
        ("License: Dual License\nClassifier: License :: A\nClassifier: License :: B\n", "A or B"),
    ],
)
def test_a_licence_is_told_by_the_most_exact_of_what_is_said(tmp_path: Path, metadata: str, told: str) -> None:
    assert licence(installed(tmp_path, metadata)) == told


def test_a_licence_that_is_only_a_text_is_known_by_its_words_and_an_unknown_one_ends_it(tmp_path: Path) -> None:
    known = installed(tmp_path, "", LICENSE="Permission is hereby granted,\nfree of charge, to any person")
    assert licence(known) == "MIT"
    (tmp_path / "LICENSE").write_text("All rights reserved.")
    with pytest.raises(UnknownLicenceError, match="made names no licence"):
        licence(known)


def test_what_nobody_has_looked_up_ends_the_page(tmp_path: Path) -> None:
    strange = installed(tmp_path, "License: MIT\n", **{"made.libs/libstrange-1234.so.1": ""})
    with pytest.raises(UnknownLicenceError, match="libstrange in the wheel of made"):
        list(bundled(strange))
    with pytest.raises(UnknownLicenceError, match="Debian's nethack"):
        page([], ["nethack"])
