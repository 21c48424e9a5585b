"""What each way through the pipeline is asked and what it answers: one line of JSON on standard output."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ACCESS_KEY: Final = "bench-access-key"
SECRET_KEY: Final = "bench-secret-key"
REGION: Final = "us-east-1"
FILES_A_CONVERSATION: Final = 3


@dataclass(frozen=True, slots=True)
class Event:
    """A file that a guest dropped into a conversation."""

    id: str
    conversation_id: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Task:
    """Where the server is, and the names of the files to bring through; `warm` ones come first and do not count."""

    port: int
    api_port: int
    names: list[str]
    warm: list[str]

    @property
    def server(self) -> str:
        """Return the address of files and objects."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """Return the address of Genesys."""
        return f"http://127.0.0.1:{self.api_port}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it took from the first event to the last outcome, and the CPU of the process and its children."""

    previews: int
    seconds: float
    cpu_seconds: float
    parent_cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Return the previews a second."""
        return self.previews / self.seconds


def events(names: Sequence[str], label: str) -> list[Event]:
    """Make an event of each file; the files of a conversation do not follow each other."""
    conversations = max(1, len(names) // FILES_A_CONVERSATION)
    return [
        Event(f"{label}-{number}", f"{label}-conversation-{number % conversations}", name)
        for number, name in enumerate(names)
    ]


def given() -> Task:
    """Read the task from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("api_port", type=int)
    parser.add_argument("names", type=Path, help="a file with a name on each line")
    parser.add_argument("--warm", type=Path, required=True)
    options = parser.parse_args()
    return Task(options.port, options.api_port, options.names.read_text().split(), options.warm.read_text().split())


def tell(pace: Pace) -> None:
    """Answer."""
    print(json.dumps(asdict(pace)))
