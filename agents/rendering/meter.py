"""What one job took: CPU time and peak memory, this process and the tools that it ran."""

import os
import resource
import time
from contextlib import suppress
from typing import Final

KIBIBYTE: Final = 1024
RESET_PEAK: Final = b"5"  # proc(5), clear_refs: the peak becomes what is resident now


class Meter:
    """Measures one job after another; make it before confinement, which takes /proc away."""

    def __init__(self) -> None:
        self._started_seconds = 0.0
        self._peak: int | None = None
        with suppress(OSError):  # without it, peaks are those of the process's whole life
            self._peak = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)

    def start(self) -> None:
        """Begin a job."""
        if self._peak is not None:
            os.write(self._peak, RESET_PEAK)
        self._started_seconds = _cpu_seconds()

    def cpu_seconds(self) -> float:
        """Return the CPU time since the job began."""
        return _cpu_seconds() - self._started_seconds

    @staticmethod
    def peak_rss_bytes() -> int:
        """Return the most that was resident at once since the job began, or in any tool that has ended."""
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return max(usage.ru_maxrss for usage in usages) * KIBIBYTE


def _cpu_seconds() -> float:
    tools = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + tools.ru_utime + tools.ru_stime
