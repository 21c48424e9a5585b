"""Every escape is tried from a real child; and without confinement it works, so that it proves something."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.confinement.cell import VICTIM, Cell, cell
from tests.confinement.deeds import DEEDS
from tests.confinement.escapes import EXECUTING, Escape, escapes

in_module_loop = pytest.mark.asyncio(loop_scope="module")
needs_poppler = pytest.mark.skipif(
    shutil.which("pdfinfo") is None and os.environ.get("CI") != "true", reason="poppler-utils is not installed"
)
ON_FILES = [
    "read",
    "create",
    "open-for-writing",
    "make-folder",
    "remove",
    "rename",
    "cut",
    "change-mode",
    "link-to-read",
    "hard-link",
]
ON_OURSELVES = ["signal", "signal-thread", "signal-by-descriptor", "have-a-signal-sent", "limit-parent"]
ON_NOTHING = ["socket-inet", "socket-unix", "socket-netlink", "datagram", "run-new-code"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prison() -> AsyncIterator[Cell]:
    async with cell() as running:
        yield running


@needs_poppler
@in_module_loop
@pytest.mark.parametrize("escape", list(escapes()), ids=str)
async def test_no_escape_comes_through(prison: Cell, escape: Escape) -> None:
    attempt = await prison.attempt(escape)
    assert attempt.held, attempt.account


@pytest.fixture
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "victim"
    if request.node.callspec.params["name"] not in {"create", "make-folder"}:
        path.write_bytes(VICTIM)
    return path


@pytest.mark.parametrize("name", ON_FILES)
def test_a_deed_on_a_file_works_without_confinement(name: str, path: Path) -> None:
    assert DEEDS[name](str(path))


@pytest.mark.parametrize("name", ON_OURSELVES)
def test_a_deed_on_a_process_works_without_confinement(name: str) -> None:
    assert DEEDS[name](str(os.getpid()))


@pytest.mark.parametrize("name", ON_NOTHING)
def test_a_deed_works_without_confinement(name: str) -> None:
    assert DEEDS[name]("-")


@pytest.mark.parametrize("name", ["execute", "spawn", "execute-from-memory"])
def test_a_program_runs_without_confinement(name: str) -> None:
    assert "ran" in DEEDS[name]("/bin/true")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_connection_comes_about_without_confinement(listener: socket.socket) -> None:
    assert DEEDS["connect"](f"127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize("name", ["fork", "leave-group"])
def test_a_deed_on_its_own_process_works_without_confinement(name: str) -> None:
    code = f"from tests.confinement.deeds import DEEDS; print(DEEDS[{name!r}]('-'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_both_profiles_are_tried() -> None:
    tried = list(escapes())
    assert {escape.profile for escape in tried} == {"main", EXECUTING}
    assert {escape.name for escape in tried} >= set(DEEDS)
