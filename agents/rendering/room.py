"""How much a child may grow for one file, by what kind of file it is."""

import resource
from pathlib import Path
from typing import Final

from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Limits

# Drawings and pages are programs: what one takes cannot be told from its header, as it can for a raster picture.
PROGRAMS: Final = frozenset({"pdf", "svg"})


class Room:
    """The address space of this process, of which every job gets a share; make it before confinement."""

    def __init__(self) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        self._empty_bytes = pages * resource.getpagesize()

    def assign(self, limits: Limits, file_type: FileType | None) -> None:
        """Limit this process to what it was when empty and what a file of this type may take."""
        growth_bytes = limits.program_memory_bytes if file_type in PROGRAMS else limits.picture_memory_bytes
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = self._empty_bytes + growth_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
