import os
import re
from errno import ENOSYS, ENOTTY, EPERM
from pathlib import Path

import pytest

from agents.rendering import landlock, seccomp, syscalls
from tests.agents.rendering.filters import verdict

PID = 4711
MACHINES = (syscalls.X86_64, syscalls.AARCH64)
HEADERS = {
    syscalls.X86_64: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    syscalls.AARCH64: Path("/usr/include/asm-generic/unistd.h"),
}
THREAD = 0x003D0F00  # what glibc gives for a thread
PROCESS = 0x01200011  # what it gives for fork
BARRED = seccomp.ERRNO | EPERM
UNKNOWN = seccomp.ERRNO | ENOSYS
READ_WRITE = 3
WITH_EXECUTE = 7


def said(machine: str, name: str, *arguments: int, may_exec: bool = False, may_kill: bool = False) -> int:
    number = syscalls.number(name, machine)
    assert number is not None
    program = seccomp.assembled(machine, PID, may_exec=may_exec, may_kill=may_kill)
    return verdict(program, machine, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("read", (), seccomp.ALLOW),
        ("futex", (), seccomp.ALLOW),
        ("socket", (), BARRED),
        ("execve", (), BARRED),
        ("kill", (PID,), BARRED),
        ("ioctl", (0, 0x5412), seccomp.ERRNO | ENOTTY),
        ("ptrace", (), seccomp.KILL),
        ("io_uring_setup", (), seccomp.KILL),
        ("clone3", (), UNKNOWN),
        ("memfd_create", (), UNKNOWN),
        ("mmap", (0, 4096, READ_WRITE), seccomp.ALLOW),
        ("mmap", (0, 4096, WITH_EXECUTE), BARRED),
        ("mprotect", (0, 4096, WITH_EXECUTE), BARRED),
        ("clone", (THREAD,), seccomp.ALLOW),
        ("clone", (PROCESS,), BARRED),
        ("clone", (THREAD | 0x10000000,), BARRED),
        ("tgkill", (PID, PID, 6), seccomp.ALLOW),
        ("tgkill", (1, 1, 6), BARRED),
        ("prlimit64", (0, 7), seccomp.ALLOW),
        ("prlimit64", (1, 7), BARRED),
        ("openat", (0, 0, os.O_RDONLY), seccomp.ALLOW),
        ("openat", (0, 0, os.O_RDWR), BARRED),
        ("openat", (0, 0, os.O_CREAT), BARRED),
        ("fcntl", (0, 3), seccomp.ALLOW),
        ("fcntl", (0, 8, PID), BARRED),
        ("prctl", (15,), seccomp.ALLOW),
        ("prctl", (22,), BARRED),
    ],
)
def test_the_main_profile_says(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert said(machine, name, *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("execve", (), seccomp.ALLOW),
        ("clone", (PROCESS,), seccomp.ALLOW),
        ("clone", (PROCESS | 0x10000000,), BARRED),
        ("mmap", (0, 4096, WITH_EXECUTE), seccomp.ALLOW),
        ("kill", (PID,), BARRED),
        ("socket", (), BARRED),
        ("setsid", (), BARRED),
        ("ptrace", (), seccomp.KILL),
    ],
)
def test_the_profile_that_executes_says(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert said(machine, name, *arguments, may_exec=True) == expected


def test_signals_are_allowed_where_landlock_keeps_them_inside() -> None:
    assert said(syscalls.X86_64, "kill", PID, may_exec=True, may_kill=True) == seccomp.ALLOW


def test_another_machine_s_numbers_end_the_process() -> None:
    program = seccomp.assembled(syscalls.X86_64, PID, may_exec=False, may_kill=False)
    assert verdict(program, syscalls.AARCH64, 63) == seccomp.KILL
    assert verdict(program, syscalls.X86_64, seccomp.X32_BIT | 1) == seccomp.KILL


def test_a_machine_whose_numbers_are_not_known_gets_no_filter_rather_than_a_wrong_one() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.assembled("riscv64", PID, may_exec=False, may_kill=False)


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernel_s_headers(machine: str) -> None:
    header = HEADERS[machine]
    if not header.is_file():
        pytest.skip(f"{header} is not installed")
    found = {name: int(number) for name, number in re.findall(r"__NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())}
    found.setdefault("newfstatat", found.get("fstatat", 0))
    ours = {name: syscalls.number(name, machine) for name in syscalls.NUMBERS}
    assert {name: number for name, number in ours.items() if number is not None and number != found[name]} == {}


def test_every_name_in_the_lists_has_a_number() -> None:
    lists = {*seccomp.ALLOWED, *seccomp.ALLOWED_TO_EXEC, *seccomp.REFUSED, *seccomp.ATTACKS}
    assert lists <= set(syscalls.NUMBERS)


@pytest.mark.parametrize(("version", "bits"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (9, 16)])
def test_landlock_takes_away_every_right_that_a_version_knows(version: int, bits: int) -> None:
    assert landlock.handled_rights(version) == (1 << bits) - 1
