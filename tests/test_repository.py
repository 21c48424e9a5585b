"""Guards of what no other test would notice: import names, the wheel, the locks, the layout."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import agents
import stream

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: Path) -> dict[str, str]:
    return {match[1]: match[2] for match in PINNED.finditer(lock.read_text())}


@pytest.mark.parametrize("package", [stream, agents])
def test_packages_with_generic_names_load_from_this_repository(package: Any) -> None:
    assert Path(package.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("package", ["stream", "agents"])
def test_no_installed_distribution_brings_the_generic_names(package: str) -> None:
    code = f"import importlib.util as u; print(u.find_spec({package!r}))"
    answer = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "None"


def test_the_wheel_holds_the_product_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"stream", "agents"}
    assert "stream/__main__.py" in names
    assert "agents/__main__.py" in names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_address_and_no_path(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^(-|\.|/)", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_and_hashes_every_package(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-zA-Z0-9])", lock.read_text())
    assert entries
    for entry in entries:
        assert PINNED.match(entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_image_runs_what_the_tests_ran() -> None:
    assert pins(ROOT / "requirements/runtime.txt").items() <= pins(ROOT / "requirements/dev.txt").items()


def test_the_locks_hold_every_declared_dependency() -> None:
    declared = project()["project"]["dependencies"] + project()["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in declared}
    assert names <= pins(ROOT / "requirements/dev.txt").keys()


def test_each_runtime_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    assert len(block.splitlines()) == len(project()["project"]["dependencies"])
    assert [line for line in block.splitlines() if not re.search(r'",\s+# \S', line)] == []


def test_every_level_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_ci_can_be_run() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
