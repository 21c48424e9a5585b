"""Landlock: files that a process may read or execute, for good; everything else on disk, it may not even open.

Source: Documentation/userspace-api/landlock.rst, linux/landlock.h.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import Final

from agents.rendering import syscalls

ABI_QUERY: Final = 1  # LANDLOCK_CREATE_RULESET_VERSION
RULE_PATH_BENEATH: Final = 1
EXECUTE: Final = 1 << 0
READ_FILE: Final = 1 << 2
READ_FOLDER: Final = 1 << 3
ALL_OF_ABI_1: Final = (1 << 13) - 1
RIGHTS_ADDED: Final = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # linking across folders, truncating, device control
TCP: Final = 0b11  # bind and connect
TCP_SINCE: Final = 4
SCOPES: Final = 0b11  # abstract unix sockets, signals
SCOPES_SINCE: Final = 6


def abi() -> int:
    """Return the version that the kernel offers; raises OSError where it has none."""
    return syscalls.call("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_uint(ABI_QUERY))


def restrict(readable: Iterable[Path], executable: Iterable[Path]) -> int:
    """Let this process read and execute nothing but these, write nothing, connect nowhere; returns the version.

    Paths that do not exist are left out. Raises OSError where the kernel cannot.
    """
    version = abi()
    ruleset = _ruleset(version)
    try:
        for path in readable:
            _allow(ruleset, path, READ_FILE | READ_FOLDER)
        for path in executable:
            _allow(ruleset, path, READ_FILE | EXECUTE)
        syscalls.call("landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)
    return version


def handled_rights(version: int) -> int:
    """Return every right on files that this version can take away."""
    return ALL_OF_ABI_1 | sum(right for since, right in RIGHTS_ADDED.items() if version >= since)


def _ruleset(version: int) -> int:
    """What a ruleset handles and no rule allows is denied; older kernels know a shorter structure."""
    attributes = struct.pack(
        "=QQQ",
        handled_rights(version),
        TCP if version >= TCP_SINCE else 0,
        SCOPES if version >= SCOPES_SINCE else 0,
    )
    attributes = attributes[: 24 if version >= SCOPES_SINCE else 16 if version >= TCP_SINCE else 8]
    size = ctypes.c_size_t(len(attributes))
    return syscalls.call("landlock_create_ruleset", ctypes.c_char_p(attributes), size, ctypes.c_uint(0))


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with suppress(FileNotFoundError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= ~READ_FOLDER
            rule = struct.pack("=Qi", rights, descriptor)
            arguments = (ctypes.c_uint(RULE_PATH_BENEATH), ctypes.c_char_p(rule), ctypes.c_uint(0))
            syscalls.call("landlock_add_rule", ctypes.c_int(ruleset), *arguments)
        finally:
            os.close(descriptor)
