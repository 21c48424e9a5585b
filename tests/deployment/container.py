"""A container without an engine: an image's layers, read-only, with namespaces of its own and nobody's privileges."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.deployment.layers import NAMESPACES, Built
from tests.harness.processes import Process

# Mounted within a namespace of mounts that ends with the process. $1 tree, $2 layers, then pairs of folder and options
# of a tmpfs, then --. What Docker calls --read-only is an overlay without an upper layer.
START: Final = """\
set -eu; tree=$1
mount -t overlay overlay -o "$2" "$tree"; shift 2
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for name in null zero full random urandom; do : > "$tree/dev/$name"; mount --bind "/dev/$name" "$tree/dev/$name"; done
ln -s /proc/self/fd "$tree/dev/fd"; mkdir -m 1777 "$tree/dev/shm"
mount -o remount,ro "$tree/dev"
mount --bind /etc/hosts "$tree/etc/hosts"
while [ "$1" != -- ]; do mount -t tmpfs -o "$2" tmpfs "$tree$1"; shift 2; done
shift; exec chroot "$tree" "$@"
"""
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
NO_PRIVILEGES: Final = ("--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")


class Container:
    """One service of the Compose file, from an image that was built here; `service` is its part of the project."""

    def __init__(self, name: str, built: Built, service: Mapping[str, Any], folder: Path) -> None:
        self.name = name
        self._built = built
        self._service = service
        self._tree = folder / name
        self._tree.mkdir()
        self.process = Process(name, self.entering(self.command), folder / f"{name}.log", {"PATH": PATH})

    @property
    def command(self) -> list[str]:
        """What the container runs."""
        image = self._built.configuration
        return [*(self._service.get("entrypoint") or image.entrypoint), *(self._service.get("command") or image.cmd)]

    @property
    def healthcheck(self) -> list[str] | None:
        """The command that tells whether it is well: the service's, else the image's; None when there is none."""
        given, of_image = self._service.get("healthcheck", {}), self._built.configuration.healthcheck
        if given.get("disable"):
            return None
        test = given.get("test") or (of_image.test if of_image else [])
        return test[1:] if test[:1] == ["CMD"] else None

    def healthy(self) -> bool:
        """Run the health check as an engine does: in the container, with its variables."""
        return self.healthcheck is not None and self.run(self.healthcheck).returncode == 0

    @property
    def first_pid(self) -> int:
        """The id, out here, of the process that has id 1 in there."""
        return descendants(self.process.pid)[1]

    def stop(self, timeout_seconds: float) -> int:
        """Send SIGTERM to the container's process 1, as an engine does, and return its exit code.

        unshare itself heeds no SIGTERM, and process 1 of a namespace only what it has a handler for.
        """
        os.kill(self.first_pid, signal.SIGTERM)
        return self.process.wait(timeout_seconds)

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run another command in a container of the same image, user, variables and file system."""
        return subprocess.run(
            self.entering(command), capture_output=True, text=True, check=False, env={"PATH": PATH}, timeout=60
        )

    def entering(self, command: Sequence[str]) -> list[str]:
        """Return the command that makes the namespaces, mounts, drops all privileges and executes `command`."""
        image = self._built.configuration
        user, _, group = image.user.partition(":")
        nobody = ["setpriv", f"--reuid={user}", f"--regid={group}", *NO_PRIVILEGES]
        variables = [f"{name}={value}" for name, value in self._variables().items()]
        start = ["sh", "-c", START, "sh", str(self._tree), self._built.tree.lower, *self._writable(), "--"]
        return [*NAMESPACES, *start, *nobody, "env", "-i", "-C", image.working_dir, *variables, *command]

    def _variables(self) -> dict[str, str]:
        image = dict(entry.split("=", 1) for entry in self._built.configuration.env)
        return {**image, **{name: value or "" for name, value in (self._service.get("environment") or {}).items()}}

    def _writable(self) -> list[str]:
        if not self._service.get("read_only"):
            raise ValueError(f"{self.name} is not read-only, which is all that is made here")
        found = [part for path in self._service.get("tmpfs", []) for part in (path, "mode=1777")]
        for volume in self._built.configuration.volumes:  # with the owner that the folder has in the image
            folder = next(
                layer / volume[1:] for layer in reversed(self._built.tree.layers) if (layer / volume[1:]).exists()
            )
            about = folder.stat()
            found += [volume, f"mode={about.st_mode & 0o7777:o},uid={about.st_uid},gid={about.st_gid}"]
        return found


def descendants(pid: int) -> list[int]:
    """Return a process and everything below it."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(below for child in children for below in descendants(child))]
