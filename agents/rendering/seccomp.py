"""A seccomp filter that lets through the system calls a renderer needs, and no other.

Assembled here rather than by libseccomp, so that it needs no package of the system. A call ends in one of four ways:

- on the list: it is made, some only with the arguments that honest code gives;
- refused with EPERM where libraries try it in good faith and go on without (sockets, processes, writing to disk);
- unknown: ENOSYS, on which libc takes the older call, as on a kernel that lacks the new one;
- an attack, which no honest decoder ever makes: the process is killed.

Source: seccomp(2), Documentation/userspace-api/seccomp_filter.rst, linux/bpf_common.h.
"""

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from errno import ENOSYS, ENOTTY, EPERM
from typing import Final

from agents.rendering import syscalls

KILL: Final = 0x80000000  # SECCOMP_RET_KILL_PROCESS
ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
SET_MODE_FILTER: Final = 1

LOAD_WORD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
IF_AT_LEAST: Final = 0x35
IF_ANY_BIT: Final = 0x45
AND: Final = 0x54
RETURN: Final = 0x06

NUMBER_AT: Final = 0  # struct seccomp_data
ARCHITECTURE_AT: Final = 4
ARGUMENTS_AT: Final = 16
ARCHITECTURES: Final = {syscalls.X86_64: 0xC000003E, syscalls.AARCH64: 0xC00000B7}  # linux/audit.h
X32_BIT: Final = 0x40000000  # the other set of numbers that an x86_64 kernel may answer to

PROT_EXEC: Final = 4
OPENED_FOR_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
HARMLESS_FCNTL: Final = (0, 1, 2, 3, 4, 1030)  # duplicating and flags; others make the kernel signal other processes
THREAD_FLAGS: Final = 0x00010100  # CLONE_THREAD | CLONE_VM
NAMESPACE_FLAGS: Final = 0x7E020080
SET_NAME: Final = 15  # prctl: threads name themselves

ALLOWED: Final = (
    # memory and files that are open already, the bulk of all calls
    *("read", "readv", "pread64", "write", "writev", "lseek", "close", "dup", "fstat", "ftruncate"),
    *("munmap", "mremap", "madvise", "brk", "fadvise64"),
    # looking: landlock tells what may be opened
    *("access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "statx", "statfs"),
    *("fstatfs", "getdents64", "readlink", "readlinkat", "getcwd"),
    # threads, clocks, signals of its own
    *("futex", "sched_yield", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler", "getcpu"),
    *("set_robust_list", "rseq", "membarrier", "gettid", "getpid", "getppid", "getpgrp"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "times", "getrusage"),
    *("getitimer", "setitimer", "pause", "poll", "ppoll", "restart_syscall"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group"),
    # who and where it is
    *("getuid", "geteuid", "getgid", "getegid", "uname", "sysinfo", "getrlimit", "getrandom"),
)
# What pdf2image needs to run pdftoppm and pdfinfo; landlock tells that it is these two.
ALLOWED_TO_EXEC: Final = (
    *("execve", "vfork", "fork", "wait4", "waitid", "pipe", "pipe2", "dup2", "dup3", "close_range", "memfd_create"),
    *("arch_prctl", "set_tid_address"),
)
REFUSED: Final = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("recvfrom", "recvmsg", "recvmmsg", "fork", "vfork", "execve", "setsid", "setpgid", "kill"),
    *("symlink", "symlinkat", "link", "linkat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir"),
    *("mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat"),
    *("truncate", "utimensat", "setuid", "setgid", "setresuid", "setresgid", "setgroups"),
)
ATTACKS: Final = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"),
    *("pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("add_key", "request_key", "keyctl", "vmsplice", "personality", "modify_ldt", "lookup_dcookie", "seccomp"),
    *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount"),
    *("fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at", "name_to_handle_at", "fanotify_init"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff"),
    *("acct", "quotactl", "iopl", "ioperm", "syslog", "capset", "execveat"),
)

Instruction = tuple[int, int, int, int]


def restrict(*, may_exec: bool, signals_scoped: bool) -> None:
    """Let this process and its threads make no system call but those on the list, for good; raises OSError.

    `signals_scoped` tells that landlock keeps signals inside; only then may a child that executes end what it started.
    """
    install(assembled(syscalls.machine(), os.getpid(), may_exec=may_exec, may_kill=may_exec and signals_scoped))


def install(program: Sequence[Instruction]) -> None:
    """Have the kernel run a filter before every system call of this process, for good; raises OSError."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *instruction) for instruction in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))  # struct sock_fprog
    syscalls.call("seccomp", ctypes.c_uint(SET_MODE_FILTER), ctypes.c_uint(0), ctypes.c_char_p(header))


def assembled(machine: str, pid: int, *, may_exec: bool, may_kill: bool) -> list[Instruction]:
    """Return the filter as instructions; raises OSError on a machine whose numbers are not known here."""
    if machine not in ARCHITECTURES:
        raise OSError(ENOSYS, f"no system call numbers are known for {machine}")
    program = [
        (LOAD_WORD, 0, 0, ARCHITECTURE_AT),
        (IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD_WORD, 0, 0, NUMBER_AT),
        (IF_AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL),
    ]
    for name, verdict in _rules(pid, may_exec=may_exec, may_kill=may_kill):
        number = syscalls.number(name, machine)
        if number is not None:
            program += [(IF_EQUAL, 0, len(verdict), number), *verdict]
    return [*program, (RETURN, 0, 0, ERRNO | ENOSYS)]


def _rules(pid: int, *, may_exec: bool, may_kill: bool) -> Iterator[tuple[str, Sequence[Instruction]]]:
    """Yield what is done about each call, the first rule of a name being the one that counts."""
    for name in ALLOWED:
        yield name, _always(ALLOW)
    yield from _rules_by_argument(pid, may_exec=may_exec)
    for name in ALLOWED_TO_EXEC if may_exec else ():
        yield name, _always(ALLOW)
    if may_kill:
        yield "kill", _always(ALLOW)
    yield "ioctl", _always(ERRNO | ENOTTY)  # what a file that is no terminal answers
    for name in REFUSED:
        yield name, _always(ERRNO | EPERM)
    for name in ATTACKS:
        yield name, _always(KILL)


def _rules_by_argument(pid: int, *, may_exec: bool) -> Iterator[tuple[str, Sequence[Instruction]]]:
    for name in ("mmap", "mprotect"):  # no new code; a program that is executed has to load its libraries
        yield name, _always(ALLOW) if may_exec else _unless_any_bit(2, PROT_EXEC)
    yield "open", _unless_any_bit(1, OPENED_FOR_WRITING)
    yield "openat", _unless_any_bit(2, OPENED_FOR_WRITING)
    yield "fcntl", _if_equal(1, *HARMLESS_FCNTL)
    yield "clone", _unless_any_bit(0, NAMESPACE_FLAGS) if may_exec else _threads_only()
    yield "tgkill", _always(ALLOW) if may_exec else _if_equal(0, pid)  # abort(3) is a signal to oneself
    yield "prlimit64", _if_equal(0, 0)
    yield "prctl", _if_equal(0, SET_NAME)


def _always(action: int) -> list[Instruction]:
    return [(RETURN, 0, 0, action)]


def _if_equal(argument: int, *values: int) -> list[Instruction]:
    tests = [part for value in values for part in ((IF_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [_load(argument), *tests, (RETURN, 0, 0, ERRNO | EPERM)]


def _unless_any_bit(argument: int, bits: int) -> list[Instruction]:
    return [_load(argument), (IF_ANY_BIT, 1, 0, bits), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | EPERM)]


def _threads_only() -> list[Instruction]:
    return [
        _load(0),
        (AND, 0, 0, THREAD_FLAGS | NAMESPACE_FLAGS),
        (IF_EQUAL, 0, 1, THREAD_FLAGS),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERRNO | EPERM),
    ]


def _load(argument: int) -> Instruction:
    """Load the lower half of an argument: both machines are little-endian, and the kernel reads no more of these."""
    return LOAD_WORD, 0, 0, ARGUMENTS_AT + 8 * argument
