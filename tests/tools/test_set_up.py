import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment, prometheus, servers
from tools.command import SetupError


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program on the PATH, an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("bare_machine")
def test_what_a_bare_machine_lacks_is_named() -> None:
    assert "poppler-utils" in environment.missing_packages()
    assert "maven" in servers.missing_packages()


@pytest.mark.usefixtures("bare_machine")
def test_prometheus_comes_from_debian_or_not_at_all() -> None:
    assert not prometheus.is_prepared()
    with pytest.raises(SetupError, match="apt-get, which fetches Prometheus"):
        prometheus.prepare()


def test_an_environment_outlives_a_patch_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1")
    before = environment.digest(tmp_path, lock)
    monkeypatch.setattr(sys, "version", "3.11.99 (built by somebody else)")
    assert environment.digest(tmp_path, lock) == before


def test_an_environment_is_made_anew_for_another_lock_or_place(tmp_path: Path) -> None:
    lock, other = tmp_path / "lock.txt", tmp_path / "other.txt"
    lock.write_text("a==1")
    other.write_text("a==2")
    digests = {environment.digest(tmp_path, lock), environment.digest(tmp_path, other)}
    assert len({*digests, environment.digest(tmp_path / "moved", lock)}) == 3


def test_all_that_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    apt_get = tmp_path / "apt-get"
    apt_get.touch(0o755)
    as_somebody = "import os, runpy, sys; os.geteuid = lambda: 1000; sys.argv[1:] = ['setup', 'servers']; "
    command = [sys.executable, "-c", f"{as_somebody}runpy.run_module('tools', run_name='__main__')"]
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    answer = subprocess.run(command, cwd=environment.ROOT, env=environ, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert "poppler-utils" in line
    assert "maven" in line
