"""What a process holds: memory, open files, connections; as Linux tells it."""

from dataclasses import dataclass
from pathlib import Path

KIBIBYTE = 1024


@dataclass(frozen=True)
class Vitals:
    """One look at a process."""

    rss_bytes: int
    open_files: int
    sockets: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        process = Path("/proc") / str(pid)
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        targets = [_target(link) for link in (process / "fd").iterdir()]
        rss = int(status["VmRSS"].split()[0]) * KIBIBYTE
        return cls(rss, len(targets), sum(target.startswith("socket:") for target in targets))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
