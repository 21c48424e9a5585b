"""Installs Debian packages when root; says what to install when not."""

import os
import shutil
from collections.abc import Sequence

from tools.command import SetupError, run


def install(packages: Sequence[str], *, is_root: bool | None = None) -> None:
    """Install packages, if any are named; `is_root` is found out when None.

    Raises:
        SetupError: Not root, or not Debian; one line that says what to install.
    """
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SetupError(f"missing on this machine: install what Debian calls {names}, then run make again")
    if not (os.geteuid() == 0 if is_root is None else is_root):
        raise SetupError(
            f"missing on this machine: run 'apt-get update && apt-get install {names}' as root, then make again"
        )
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("Debian's package lists", ["apt-get", "update", "-q"], quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    run(f"Debian packages {names}", command, quiet, to_its_end=True)  # broken off, dpkg refuses all further work
