"""The list of contestants: how each is started, what it can read, and what must be installed for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants.job import Cost
from bench.corpus import parts
from tools import debian
from tools.command import SetupError, run, say

SHARP: Final = "sharp@0.35.5"
SHARP_PROGRAM: Final = Path(__file__).with_name("sharp.mjs")
LONGEST_SECONDS: Final = 1800
PICTURES: Final = frozenset({"jpeg", "png", "webp", "avif", "gif", "tiff"})
ALL: Final = PICTURES | {"heic", "pdf"}
OURS: Final = "ours"
TUTORIAL: Final = "tutorial"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One that takes part; `folder` is where it is started."""

    name: str
    command: tuple[str, ...]
    formats: frozenset[str]
    folder: Path | None = None

    def costs(self, files: Sequence[Path], warm: Sequence[Path], out: Path, effort: int) -> list[Cost]:
        """Let it make previews of the files that it can read."""
        out.mkdir(parents=True, exist_ok=True)
        lists = {"files": files, "warm": warm}
        for name, paths in lists.items():
            readable = [str(path) for path in paths if path.suffix[1:] in self.formats]
            (out / f"{name}.list").write_text("\n".join(readable))
        command = [*self.command, str(out / "files.list"), "--warm", str(out / "warm.list"), "--out", str(out)]
        printed = subprocess.run(
            [*command, "--effort", str(effort)],
            check=True,
            stdout=subprocess.PIPE,
            cwd=self.folder,
            timeout=LONGEST_SECONDS,
        ).stdout
        return [Cost(**cost) for cost in json.loads(printed)]


def contestants() -> tuple[list[Contestant], dict[str, str]]:
    """Return all that can take part on this machine, and for each peer that cannot the reason."""
    found = [
        Contestant(OURS, _module("ours"), ALL),
        Contestant(TUTORIAL, _module("tutorial"), ALL),
        Contestant("pillow", _module("pillow"), ALL),
    ]
    missing: dict[str, str] = {}
    for name, entry in (("vipsthumbnail", _vipsthumbnail), ("sharp", _sharp), ("pdftoppm", _pdftoppm)):
        try:
            found.append(entry())
        except SetupError as error:
            missing[name] = str(error).splitlines()[0]
            say(f"{name} is left out: {missing[name]}")
    return found, missing


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"bench.contestants.{name}", *arguments


def _vipsthumbnail() -> Contestant:
    _need("vipsthumbnail", "libvips-tools")
    return Contestant("vipsthumbnail", _module("commands", "vipsthumbnail"), PICTURES | {"pdf"})


def _pdftoppm() -> Contestant:
    _need("pdftoppm", "poppler-utils")
    return Contestant("pdftoppm", _module("commands", "pdftoppm"), frozenset({"pdf"}))


def _sharp() -> Contestant:
    _need("node", "nodejs")
    _need("npm", "npm")

    def install(folder: Path) -> None:
        run("sharp", ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, SHARP])
        run("sharp: does it load", ["env", "-C", folder, "node", "-e", "require('sharp')"])  # it wants Node 20

    folder = parts.keep(SHARP, install)
    return Contestant("sharp", ("node", str(SHARP_PROGRAM)), PICTURES, folder)


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        debian.install([package])


def versions(found: Sequence[Contestant]) -> Mapping[str, str]:
    """Ask the peers that are programs for their versions."""
    asked = {"vipsthumbnail": ["vipsthumbnail", "--version"], "pdftoppm": ["pdftoppm", "-v"]}
    names = {contestant.name for contestant in found}
    told = {name: _first_line(command) for name, command in asked.items() if name in names}
    return told | ({"sharp": SHARP.partition("@")[2]} if "sharp" in names else {})


def _first_line(command: Sequence[str]) -> str:
    printed = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)  # noqa: TID251
    return (printed.stdout or printed.stderr).splitlines()[0].split()[-1]
