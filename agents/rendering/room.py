"""The memory of a child: how much it may grow for one file, and giving back what files have left behind."""

import ctypes
import resource
from pathlib import Path
from typing import Final

from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Limits

# Drawings and pages are programs: what one takes cannot be told from its header, as it can for a raster picture.
PROGRAMS: Final = frozenset({"pdf", "svg"})
# Memory that is given back has to be had again: 3 to 5 ms a file, if it were done after each.
JOBS_BETWEEN_TIDYING: Final = 100


class Room:
    """The address space of this process, of which every job gets a share; make it before confinement."""

    def __init__(self) -> None:
        self._jobs = 0
        self._libc = ctypes.CDLL(None)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        self._empty_bytes = pages * resource.getpagesize()

    def assign(self, limits: Limits, file_type: FileType | None) -> None:
        """Limit this process to what it was when empty and what a file of this type may take."""
        self._jobs += 1
        growth_bytes = limits.program_memory_bytes if file_type in PROGRAMS else limits.picture_memory_bytes
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = self._empty_bytes + growth_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))

    def untidy(self) -> bool:
        """Tell whether so many files have passed that memory lies in crumbs, however busy it is."""
        return self._jobs >= JOBS_BETWEEN_TIDYING

    def tidy(self) -> None:
        """Give the kernel every free page back: what the allocator keeps grows from file to file."""
        self._jobs = 0
        if hasattr(self._libc, "malloc_trim"):  # glibc alone has it
            self._libc.malloc_trim(0)
