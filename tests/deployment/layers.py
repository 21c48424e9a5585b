"""The steps of a Dockerfile, carried out for real: each in a layer of its own above a Debian tree, as Docker has it.

Layers lie in the cache outside the checkout under a name made from what they depend on; a step that was carried out
before is not repeated. Steps know nothing of this machine: a file system, processes and /dev of their own.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.deployment import registries
from tests.deployment.container_files import ROOT, Action, Configuration, Copy, Exec, Op, Plan, Step, context
from tests.harness.servers import MissingServerError
from tools import cache
from tools import containers as installed
from tools.command import run

RELEASE: Final = "bookworm"
CONTEXT: Final = "local://context"
# As in Debian's own images: apt keeps no packages that it has installed.
APT_AS_IN_IMAGES: Final = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
"""
NAMESPACES: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
MOUNT: Final = """\
set -eu; tree=$1
mount -t overlay overlay -o "$2" "$tree"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for name in null zero full random urandom; do : > "$tree/dev/$name"; mount --bind "/dev/$name" "$tree/dev/$name"; done
ln -s /proc/self/fd "$tree/dev/fd"; mkdir -m 1777 "$tree/dev/shm"
mount -t tmpfs tmpfs "$tree/run"; cp -r "$3" "$tree/run/registries"
for name in resolv.conf hosts; do mount --bind "/etc/$name" "$tree/etc/$name"; done
shift 3; exec "$@"
"""
COPY: Final = """\
set -eu; tree=$1
mount -t overlay overlay -o "$2" "$tree"
if [ "$3" ]; then mount -t overlay overlay -o "$3" "$4"; fi
shift 4; exec "$@"
"""


@dataclass(frozen=True)
class Tree:
    """A file system: layers, the lowest first, each a folder; the name tells all that it depends on."""

    key: str
    layers: tuple[Path, ...]

    @property
    def lower(self) -> str:
        """The layers as overlayfs wants them, the uppermost first."""
        return "lowerdir=" + ":".join(str(layer) for layer in reversed(self.layers))


@dataclass(frozen=True)
class Built:
    """A target of the Dockerfile: its file system and what it says of its process."""

    tree: Tree
    configuration: Configuration


def require_namespaces() -> None:
    """See that this machine lets us mount.

    Raises:
        MissingServerError: It does not.
    """
    if os.geteuid():
        raise MissingServerError("the Dockerfile's steps are carried out by root alone")
    if installed.debootstrap() is None:
        raise MissingServerError("debootstrap is not on this machine: run make servers")
    with tempfile.TemporaryDirectory(dir=cache.folder()) as scratch:
        for name in ("lower", "upper", "work", "tree"):
            (Path(scratch) / name).mkdir()
        options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
        command = [*NAMESPACES, "mount", "-t", "overlay", "overlay", "-o", options, f"{scratch}/tree"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise MissingServerError(f"layers cannot be mounted here: {answer.stderr.strip()}")


class Builder:
    """Carries out plans; those of several targets share their layers."""

    def __init__(self, files: Sequence[str] | None = None) -> None:
        self._folder = cache.folder() / "image-layers"
        self._folder.mkdir(exist_ok=True)
        self._files = list(context() if files is None else files)
        self.used: set[Path] = set()

    def build(self, plan: Plan) -> Built:
        """Carry out what has not been carried out yet, and return the last tree."""
        trees: dict[str, Tree] = {}
        for step in plan.steps:
            inputs = [trees[one.digest] for one in step.op.inputs]
            trees[step.digest] = self._result(step, inputs)
        return Built(trees[plan.steps[-1].digest], plan.image.config)

    def forget_others(self) -> None:
        """Remove the layers of Dockerfiles and sources of before."""
        for layer in self._folder.iterdir():
            if layer not in self.used:
                shutil.rmtree(layer)

    def _result(self, step: Step, inputs: list[Tree]) -> Tree:
        op = step.op
        if op.source is not None:
            return self._source(op.source.identifier)
        if op.exec is None and op.file is None:
            return inputs[0]
        key = _key(msgspec.json.encode([op.exec, op.file]), *(self._told(tree, op).encode() for tree in inputs))
        layer = self._layer(key, op, inputs)
        return Tree(key, (*inputs[0].layers, layer))

    def _told(self, tree: Tree, op: Op) -> str:
        """What a step depends on: of the context the files that it copies alone."""
        return tree.key if tree.layers != (ROOT,) else _digest_of(self._copied(op.file.actions if op.file else []))

    def _copied(self, actions: Sequence[Action]) -> list[str]:
        sources = [action.copy.src.strip("/") for action in actions if action.copy is not None]
        return [name for name in self._files if any(f"{name}/".startswith(f"{source}/") for source in sources)]

    def _source(self, identifier: str) -> Tree:
        if identifier == CONTEXT:
            return Tree(CONTEXT, (ROOT,))
        if "/debian:" not in identifier:
            raise ValueError(f"only Debian's tree is made here, not {identifier}")
        mirror = registries.mirror(RELEASE)
        key = _key(b"base", APT_AS_IN_IMAGES.encode(), (mirror or "").encode())
        base = self._folder / key
        self.used.add(base)
        if not base.exists():
            cache.keep(f"image-layers/{key}", _debootstrap)
        return Tree(key, (base,))

    def _layer(self, key: str, op: Op, inputs: list[Tree]) -> Path:
        layer = self._folder / key
        self.used.add(layer)
        if not layer.exists():
            cache.keep(f"image-layers/{key}", lambda made: self._carry_out(op, inputs, made))
        return layer

    def _carry_out(self, op: Op, inputs: list[Tree], made: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache.folder(), prefix="building-") as name:
            scratch = Path(name)
            for folder in ("work", "tree", "other", "registries", "context"):
                (scratch / folder).mkdir()
            options = f"{inputs[0].lower},upperdir={made},workdir={scratch / 'work'}"
            if op.exec is not None:
                _execute(op.exec, options, scratch)
            elif op.file is not None:
                self._change(op.file.actions, options, inputs, scratch)

    def _change(self, actions: list[Action], options: str, inputs: list[Tree], scratch: Path) -> None:
        for action in actions:
            if action.mkdir is not None:
                _run_copy(options, "", scratch, ["mkdir", "-p", f"{scratch}/tree{action.mkdir.path}"])
            elif action.copy is not None:
                self._copy(action.copy, options, inputs[int(action.secondary_input)], scratch)
            else:
                raise ValueError(f"not carried out here: {action}")

    def _copy(self, copy: Copy, options: str, source: Tree, scratch: Path) -> None:
        if source.layers == (ROOT,):
            _fill(scratch / "context", self._copied([Action(copy=copy)]))
            command = _copying(copy, scratch / "context", scratch / "tree")
            _run_copy(options, "", scratch, ["chown", "-R", "0:0", str(scratch / "context")])
            _run_copy(options, "", scratch, command)
        else:
            # Never one layer alone: overlayfs wants two where there is nothing to write to.
            _run_copy(
                options,
                f"{source.lower}:{scratch / 'context'}",
                scratch,
                _copying(copy, scratch / "other", scratch / "tree"),
            )


def _execute(command: Exec, options: str, scratch: Path) -> None:
    if [mount.dest for mount in command.mounts] != ["/"]:
        raise ValueError(f"mounts of RUN are not carried out here: {command.mounts}")
    registries.write(scratch / "registries")
    variables = [*command.meta.env, *(f"{name}={value}" for name, value in registries.variables().items())]
    user = ["--userspec", command.meta.user] if command.meta.user else []
    inside = [
        "chroot",
        *user,
        str(scratch / "tree"),
        "env",
        "-i",
        "-C",
        command.meta.cwd,
        *variables,
        *command.meta.args,
    ]
    mounted = ["sh", "-c", MOUNT, "sh", str(scratch / "tree"), options, str(scratch / "registries")]
    label = " ".join(command.meta.args[-1].split())[:60]
    run(f"RUN {label}", [*NAMESPACES, *mounted, *inside])


def _copying(copy: Copy, source: Path, tree: Path) -> list[str]:
    """Copy a folder's contents, or a file to a name or into a folder."""
    origin, target = f"{source}{copy.src}", f"{tree}{copy.dest}"
    into = target if copy.dest.endswith("/") else str(Path(target).parent)
    script = 'mkdir -p "$1"; if [ -d "$2" ]; then mkdir -p "$3"; cp -a "$2/." "$3"; else cp -a "$2" "$3"; fi'
    return ["sh", "-euc", script, "sh", into, origin, target]


def _run_copy(options: str, other: str, scratch: Path, command: list[str]) -> None:
    mounted = ["sh", "-c", COPY, "sh", str(scratch / "tree"), options, other, str(scratch / "other")]
    subprocess.run([*NAMESPACES, *mounted, *command], check=True, capture_output=True, text=True)


def _fill(folder: Path, files: Sequence[str]) -> None:
    for name in files:
        target = folder / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def _debootstrap(tree: Path) -> None:
    mirror = registries.mirror(RELEASE)
    command: list[str | Path] = [installed.debootstrap() or "debootstrap", "--variant=minbase", RELEASE, tree]
    run("Debian's base, by debootstrap", [*command, *([mirror] if mirror else [])])
    sources = registries.apt_sources(RELEASE)
    if sources is not None:  # debootstrap names the release alone, without its security updates
        (tree / "etc/apt/sources.list").unlink()
        shutil.copy(sources, tree / "etc/apt" / ("sources.list" if sources.suffix == ".list" else "sources.list.d"))
    (tree / "etc/apt/apt.conf.d/docker-clean").write_text(APT_AS_IN_IMAGES)
    (tree / "etc/resolv.conf").touch()
    (tree / "etc/hosts").touch()
    for litter in ("var/lib/apt/lists", "var/cache/apt/archives", "dev"):
        shutil.rmtree(tree / litter)
        (tree / litter).mkdir()
    tree.chmod(0o755)


def _digest_of(files: Sequence[str]) -> str:
    return _key(*(part for name in sorted(files) for part in (name.encode(), (ROOT / name).read_bytes())))


def _key(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
