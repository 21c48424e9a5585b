"""Writes the lock files: every package with its hashes, for all platforms, without a single address."""

from tools import environment
from tools.command import run


def write() -> None:
    """Resolve requirements/*.txt anew; dev first, so that the image runs what the tests ran."""
    project = ["pyproject.toml", "--extra", "rocksdb", "--extra", "tracing"]
    _compile("dev", *project, "--group", "dev")
    _compile("runtime", *project, "--constraint", "requirements/dev.txt")
    for name in ("bench", "build", "containers", "deploy", "go", "lock"):
        _compile(name, f"requirements/{name}.in")


def _compile(name: str, *sources: str) -> None:
    uv = environment.isolated("lock") / "bin" / "uv"
    options = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes"]
    plain = ["--no-header", "--upgrade", "--quiet", "--output-file", f"requirements/{name}.txt"]
    run(f"requirements/{name}.txt", [uv, "pip", "compile", *options, *plain, *sources])
