import os
from pathlib import Path

import pytest

from tools import servers


def program(folder: Path, name: str, script: str) -> Path:
    """Put a program into a folder of its own."""
    path = folder / "bin" / name
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def java(folder: Path, version: str) -> Path:
    return program(folder, "java", f"""echo 'openjdk version "{version}" 2025-04-15' >&2""")


def test_an_old_default_java_gives_way_to_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = java(tmp_path / "newer", "21.0.2")
    older = java(tmp_path / "older", "11.0.9")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "newer"))
    monkeypatch.setenv("PATH", f"{older.parent}:{os.defpath}")
    assert servers.find_java() == newer


def test_a_java_home_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = java(tmp_path / "on-path", "17.0.15")
    java(tmp_path / "home", "1.8.0_402")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{on_path.parent}:{os.defpath}")
    assert servers.find_java() == on_path


def test_a_java_without_its_compiler_runs_kafka_but_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, kit = java(tmp_path / "runtime", "17.0.15"), java(tmp_path / "kit", "17.0.15")
    (kit.parent / "javac").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "runtime"))
    monkeypatch.setenv("PATH", f"{kit.parent}:{os.defpath}")
    assert (servers.find_java(), servers.find_jdk()) == (runtime, kit)


def test_another_version_of_a_server_is_another_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paths = {servers.program(name) for name in servers.GO_PROGRAMS}
    assert len(paths) == len(servers.GO_PROGRAMS)
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_every_server_has_its_version() -> None:
    assert [origin for origin in servers.GO_PROGRAMS.values() if "@v" not in origin] == []
