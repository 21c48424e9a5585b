"""What a child gives up before it sees the first byte of a file, layer by layer.

A layer that the kernel cannot give is left out and named, with the kernel's reason: whether to go on without it is
the parent's decision. docs/confinement.md describes every layer and its limits.
"""

import ctypes
import os
import resource
import shutil
import struct
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Final

import agents
import stream
from agents.rendering import landlock, seccomp, syscalls
from agents.rendering.layers import Layer, Layers
from agents.rendering.verdicts import Limits

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
PR_SET_NO_NEW_PRIVS: Final = 38
CLONE_NEWUSER: Final = 0x10000000  # unshare(2)
CLONE_NEWNET: Final = 0x40000000
CAPABILITY_VERSION: Final = 0x20080522  # capget(2)
SCRATCH_MEMORY_BYTES: Final = 268_435_456  # for the copy of a PDF in memory that poppler reads

LIBRARIES: Final = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
FONTS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/X11/fonts",
    "/usr/share/fontconfig",
    "/etc/fonts",
    "/var/cache/fontconfig",
)
POPPLER_DATA: Final = ("/usr/share/poppler",)
POPPLER: Final = ("pdftoppm", "pdfinfo")
LOADERS: Final = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")  # executed with every program


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the forkserver finds out once for all of its children; `network` tells why they stay in the machine's."""

    forkserver: int
    network: str
    readable: tuple[Path, ...]
    readable_by_poppler: tuple[Path, ...]
    executable: tuple[Path, ...]


def prepare() -> Surroundings:
    """Leave the network for good and look where code and fonts are; call it before any thread is started."""
    code_and_fonts = tuple(_readable())
    return Surroundings(
        forkserver=os.getpid(),
        network=_leave_network(),
        readable=code_and_fonts,
        readable_by_poppler=(*code_and_fonts, *map(Path, POPPLER_DATA)),
        executable=tuple(_executable()),
    )


def confine(limits: Limits, surroundings: Surroundings, *, may_exec: bool) -> Layers:
    """Put every layer in force that the kernel has, for good; raises ProcessLookupError when the forkserver is gone."""
    syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != surroundings.forkserver:  # it died first, so that signal will never come
        raise ProcessLookupError("the forkserver is gone")
    with suppress(OSError):  # a wish, not a wall: the kernel should take a child before it takes the parent
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    layers = {Layer.NETWORK_NAMESPACE: surroundings.network}
    layers[Layer.NO_NEW_PRIVILEGES] = _outcome(partial(syscalls.prctl, PR_SET_NO_NEW_PRIVS, 1))
    layers[Layer.CAPABILITIES] = _outcome(_drop_capabilities)
    layers[Layer.RESOURCE_LIMITS] = _outcome(partial(_limit_resources, limits, may_exec=may_exec))
    layers[Layer.LANDLOCK] = _outcome(partial(_restrict_files, surroundings, may_exec=may_exec))
    scoped = not layers[Layer.LANDLOCK] and landlock.abi() >= landlock.SCOPES_SINCE
    layers[Layer.SECCOMP] = _outcome(partial(seccomp.restrict, may_exec=may_exec, signals_scoped=scoped))
    return layers


def _leave_network() -> str:
    """Move this process, single-threaded, into a network of its own without any interface; returns why it cannot."""
    alone = _outcome(partial(_unshare, CLONE_NEWNET))  # root may
    return _outcome(partial(_unshare, CLONE_NEWUSER | CLONE_NEWNET)) if alone else ""


def _readable() -> Iterator[Path]:
    """Yield what a child may read: code, fonts, and no folder that holds anybody's data."""
    yield from map(Path, (*LIBRARIES, *FONTS))
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield Path(sysconfig.get_path(name))
    for package in (agents, stream):
        yield Path(str(package.__file__)).parent


def _executable() -> Iterator[Path]:
    """Yield the programs of the second opinion, and the loader that the kernel runs them with."""
    yield from map(Path, LOADERS)
    for name in POPPLER:
        found = shutil.which(name)
        if found is not None:
            yield Path(found)


def _restrict_files(surroundings: Surroundings, *, may_exec: bool) -> None:
    if may_exec:
        landlock.restrict(surroundings.readable_by_poppler, surroundings.executable)
    else:
        landlock.restrict(surroundings.readable, ())


def _limit_resources(limits: Limits, *, may_exec: bool) -> None:
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, SCRATCH_MEMORY_BYTES if may_exec else 0)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _drop_capabilities() -> None:
    """Even as root: nothing beyond what any user may do."""
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    syscalls.call("capset", ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))


def _unshare(flags: int) -> None:
    syscalls.call("unshare", ctypes.c_int(flags))


def _outcome(step: Callable[[], object]) -> str:
    try:
        step()
    except OSError as error:
        return error.strerror or str(error)
    return ""
