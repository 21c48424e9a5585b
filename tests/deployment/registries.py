"""How this machine reaches the package registries, for a build that has a file system of its own.

Read when it is needed and handed over beside the tree, never into it: no address is in the image or in this checkout.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOURCES: Final = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_FILES: Final = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
PLACE: Final = "/run/registries"
HANDED_ON: Final = re.compile(r"(?i)(https?|no|all)_proxy|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|PROXY)")


def apt_sources(release: str) -> Path | None:
    """Return the file that tells this machine's apt of a release, if this machine has that release."""
    return next((path for path in SOURCES if path.exists() and release in path.read_text()), None)


def mirror(release: str) -> str | None:
    """Return the mirror that this machine uses for a release; None leaves it to debootstrap."""
    sources = apt_sources(release)
    found = (
        re.search(r"^(?:URIs:|deb)\s+(?:\[[^\]]*\]\s+)?(\S+)", sources.read_text(), re.MULTILINE) if sources else None
    )
    return found[1] if found else None


def write(folder: Path) -> None:
    """Write what belongs at `PLACE` during a build."""
    (folder / "pip.conf").write_text("".join(path.read_text() for path in PIP_FILES if path.exists()))
    if CERTIFICATES.exists():
        (folder / "certificates.crt").write_bytes(CERTIFICATES.read_bytes())
    told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    (folder / "apt.conf").write_text(
        "\n".join(re.findall(r"^Acquire::(?!IndexTargets|Compression).*$", told, re.MULTILINE))
    )


def variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that a build's commands get beside those of the Dockerfile."""
    given = {name: value for name, value in environ.items() if HANDED_ON.fullmatch(name)}
    files = {"PIP_CONFIG_FILE": f"{PLACE}/pip.conf", "APT_CONFIG": f"{PLACE}/apt.conf"}
    return {**given, **files, "PIP_CERT": f"{PLACE}/certificates.crt"}
