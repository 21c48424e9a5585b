"""Writes .env.example and docs/settings.md: `python -m agents.settings_page` from the root of the checkout."""

from pathlib import Path
from typing import Final

from agents.settings import WorkerSettings
from stream.genesys.settings import GenesysSettings
from stream.settings import KafkaSettings
from stream.settings_page import BRIDGE, EVERY_PROCESS, Group, example, page

GENESYS: Final = Group("Genesys (worker, and `python -m stream backfill`)", GenesysSettings, KafkaSettings)
WORKER: Final = Group("Worker (`python -m agents worker`)", WorkerSettings, GenesysSettings)
GROUPS: Final = (EVERY_PROCESS, BRIDGE, GENESYS, WORKER)


def pages() -> dict[Path, str]:
    """Return the text of each file that is made from the settings of all processes."""
    return {Path(".env.example"): example(GROUPS), Path("docs/settings.md"): page(GROUPS)}


def write(root: Path) -> None:
    """Write the files below `root`."""
    for path, text in pages().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path())
