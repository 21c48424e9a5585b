import os
from pathlib import Path

import pytest

from tools import debian
from tools.command import SetupError


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose apt-get writes down what it was asked."""
    program = tmp_path / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    return tmp_path / "calls"


def test_nothing_missing_asks_for_nothing(calls: Path) -> None:
    debian.install([], is_root=False)
    assert not calls.exists()


def test_root_installs_what_is_missing(calls: Path) -> None:
    debian.install(["poppler-utils", "maven"], is_root=True)
    update, install = calls.read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith("poppler-utils maven")


def test_others_are_told_in_one_line_what_to_install(calls: Path) -> None:
    with pytest.raises(SetupError) as told:
        debian.install(["poppler-utils", "maven"], is_root=False)
    assert str(told.value) == (
        "missing on this machine: run 'apt-get update && apt-get install poppler-utils maven' as root, then make again"
    )
    assert not calls.exists()


def test_other_systems_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"^[^\n]*what Debian calls poppler-utils[^\n]*$"):
        debian.install(["poppler-utils"], is_root=True)
