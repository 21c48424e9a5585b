"""What a Dockerfile, a .dockerignore and a Compose file mean, as BuildKit, moby and compose-go read them."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.harness.servers import existing
from tools import containers as installed

ROOT: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = ROOT / "Dockerfile"
COMPOSE_FILE: Final = ROOT / "docker-compose.yml"


class RefusedError(Exception):
    """The file is not what its definition allows; the message is that of the program that refused it."""


class Input(Struct):
    """The result of another step."""

    digest: str


class Source(Struct):
    """Where files come from: an image of a registry, or the build context."""

    identifier: str


class Meta(Struct):
    """A command, as RUN wants it executed."""

    args: list[str]
    cwd: str
    env: list[str] = []
    user: str = ""


class Mount(Struct):
    """What a command finds at a path."""

    dest: str


class Exec(Struct):
    """One RUN."""

    meta: Meta
    mounts: list[Mount]


class Owner(Struct, rename="camel", forbid_unknown_fields=True):
    """Nobody here chowns while copying."""


class Copy(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """One source of one COPY."""

    src: str
    dest: str
    owner: Owner | None = None
    mode: int = -1
    follow_symlink: bool = False
    dir_copy_contents: bool = False
    create_dest_path: bool = False
    allow_wildcard: bool = False
    allow_empty_wildcard: bool = False
    timestamp: str = "-1"


class MakeFolder(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What WORKDIR makes."""

    path: str
    mode: int
    make_parents: bool = False
    timestamp: str = "-1"


class Action(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """One change to a tree; inputs and outputs follow each other, so they are not read."""

    input: str = "0"
    secondary_input: str = "0"
    output: str = "0"
    copy: Copy | None = None
    mkdir: MakeFolder | None = None


class FileActions(Struct):
    """COPY and WORKDIR."""

    actions: list[Action]


class Op(Struct, kw_only=True):
    """What BuildKit would do: one of source, exec and file; the last step of all is none of them."""

    inputs: list[Input] = []
    source: Source | None = None
    exec: Exec | None = None
    file: FileActions | None = None


class Step(Struct):
    """One operation, and the digest by which later ones name its result."""

    digest: str
    op: Op


class Health(Struct, rename="pascal"):
    """HEALTHCHECK."""

    test: list[str]


class Configuration(Struct, rename="pascal", kw_only=True):
    """What the image says of the process that it is for."""

    user: str = ""
    env: list[str] = []
    entrypoint: list[str] = []
    cmd: list[str] = []
    volumes: dict[str, dict[str, str]] = {}
    working_dir: str = "/"
    labels: dict[str, str] = {}
    healthcheck: Health | None = None
    exposed_ports: dict[str, dict[str, str]] = {}


class Image(Struct):
    """The configuration within its document."""

    config: Configuration


class Plan(Struct):
    """How a target of a Dockerfile comes to be; `warnings` are those of `docker build --check`."""

    image: Image
    steps: list[Step]
    warnings: list[str]


def plan(target: str = "", build_args: Mapping[str, str] | None = None, dockerfile: Path = DOCKERFILE) -> Plan:
    """Convert a Dockerfile as `docker build` does, up to where it would ask a registry."""
    named = [f"--build-arg={name}={value}" for name, value in (build_args or {}).items()]
    return msgspec.json.decode(_answer("image", f"--target={target}", *named, dockerfile), type=Plan)


def context(folder: Path = ROOT) -> list[str]:
    """Name the files that .dockerignore lets into the build."""
    return msgspec.json.decode(_answer("context", folder), type=list[str])


def compose(env_file: Path, profiles: Sequence[str] = (), file: Path = COMPOSE_FILE) -> dict[str, Any]:
    """Load a Compose file as `docker compose` does: checked by the specification's schema, variables filled in.

    Raises:
        RefusedError: It is against the schema, or wants a variable that is not set.
    """
    chosen = [f"--profile={profile}" for profile in profiles]
    project: dict[str, Any] = msgspec.json.decode(_answer("compose", f"--env-file={env_file}", *chosen, file))
    return project


def _answer(*arguments: str | Path) -> bytes:
    program = existing(installed.container_files(), "container-files")
    answer = subprocess.run(
        [program, *arguments], capture_output=True, check=False, env={"PATH": os.defpath, "HOME": "/"}
    )
    if answer.returncode:
        raise RefusedError(answer.stderr.decode().strip())
    return answer.stdout
