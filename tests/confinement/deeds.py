"""What a child that a hostile file has taken over would try, each as a plain function.

A deed returns what it got when it succeeds, and raises OSError or MemoryError when it is held. None does harm when
it succeeds, so that each can be tried without confinement too: a deed that fails there as well proves nothing.
"""

import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agents.rendering import syscalls

Deed = Callable[[str], str]

MANY = 3_000
FOUR_GIGABYTES = 4_000_000_000
CLONE_NEWUSER = 0x10000000
PTRACE_SEIZE = 0x4206
ADDR_NO_RANDOMIZE = 0x0040000
F_SETOWN = 8
TIOCSTI = 0x5412
HARMLESS_SIGNAL = signal.SIGURG  # ignored by whoever does not ask for it


def open_socket(family: int, kind: int, _: str) -> str:
    with socket.socket(family, kind):
        return "a socket"


def connect_to(address: str) -> str:
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=2):
        return f"a connection to {address}"


def look_up(_: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"secret", ("127.0.0.1", 53))
    return "a datagram sent"


def read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return f"{len(os.read(descriptor, 100))} bytes of {path}"
    finally:
        os.close(descriptor)


def listing(path: str) -> str:
    return f"{len(os.listdir(path))} names in {path}"  # noqa: PTH208 - what hostile code would call


def read_memory(pid: str) -> str:
    """Ask for one byte at an address that is mapped in nearly no process: EFAULT would mean that it may look."""
    target = ctypes.create_string_buffer(1)
    ours = (ctypes.c_size_t * 2)(ctypes.addressof(target), 1)
    theirs = (ctypes.c_size_t * 2)(1 << 46, 1)
    syscalls.call("process_vm_readv", int(pid), ours, ctypes.c_ulong(1), theirs, ctypes.c_ulong(1), ctypes.c_ulong(0))
    return "memory of the parent"


def create(path: str) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, b"was here")
    os.close(descriptor)
    return f"{path} was written"


def open_for_writing(path: str) -> str:
    os.close(os.open(path, os.O_RDWR))
    return f"{path} is open for writing"


def make_folder(path: str) -> str:
    Path(path).mkdir()
    return f"the folder {path}"


def remove(path: str) -> str:
    Path(path).unlink()
    return f"{path} is gone"


def rename(path: str) -> str:
    os.rename(path, f"{path}.moved")  # noqa: PTH104
    return f"{path} was moved"


def cut(path: str) -> str:
    os.truncate(path, 0)
    return f"{path} is empty"


def change_mode(path: str) -> str:
    Path(path).chmod(0o777)
    return f"{path} is open to everybody"


def link_to_read(path: str) -> str:
    """Make a link beside the file, and read through it."""
    os.symlink(path, f"{path}.link")  # noqa: PTH211
    return read(f"{path}.link")


def hard_link(path: str) -> str:
    os.link(path, f"{path}.hard")
    return f"another name of {path}"


def fork(_: str) -> str:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a process"


def execute(path: str) -> str:
    done = subprocess.run([path, "--version"], stdin=None, capture_output=True, check=False)
    return f"{path} ran and returned {done.returncode}"


def spawn(path: str) -> str:
    """Start a program by the other way that libc has."""
    os.waitpid(os.posix_spawn(path, [path, "--version"], {}), 0)
    return f"{path} ran"


def become(path: str) -> str:
    """Replace this process: when it works, nobody answers."""
    os.execv(path, [path])


def execute_from_memory(path: str) -> str:
    """Run a program that is in no folder."""
    writer = os.memfd_create("program")
    reader = os.open(f"/proc/{os.getpid()}/fd/{writer}", os.O_RDONLY)
    os.write(writer, Path(path).read_bytes())
    os.close(writer)  # a file that is open for writing cannot be executed
    return execute(f"/proc/{os.getpid()}/fd/{reader}")


def trace(pid: str) -> str:
    syscalls.call("ptrace", ctypes.c_long(PTRACE_SEIZE), ctypes.c_long(int(pid)), None, None)
    return "the parent is traced"


def send_signal(pid: str) -> str:
    os.kill(int(pid), HARMLESS_SIGNAL)
    return "a signal reached the parent"


def send_thread_signal(pid: str) -> str:
    syscalls.call("tgkill", ctypes.c_int(int(pid)), ctypes.c_int(int(pid)), ctypes.c_int(HARMLESS_SIGNAL))
    return "a signal reached the parent's thread"


def send_signal_by_descriptor(pid: str) -> str:
    descriptor = os.pidfd_open(int(pid))
    signal.pidfd_send_signal(descriptor, HARMLESS_SIGNAL)
    return "a signal reached the parent by a descriptor"


def have_a_signal_sent(pid: str) -> str:
    """Ask the kernel to signal the parent whenever a descriptor has news."""
    import fcntl  # noqa: PLC0415 - not part of a plain interpreter's start

    fcntl.fcntl(0, F_SETOWN, int(pid))
    return "the kernel would signal the parent"


def limit_parent(pid: str) -> str:
    resource.prlimit(int(pid), resource.RLIMIT_CORE)
    return "the parent's limits"


def leave_group(_: str) -> str:
    os.setsid()
    return "a session of its own"


def raise_limit(_: str) -> str:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 44, 1 << 44))
    except ValueError as error:  # how Python tells EPERM here
        raise OSError(str(error)) from error
    return "more memory"


def gain_capabilities(_: str) -> str:
    os.chown("/", -1, -1)
    os.chroot("/")
    return "root's powers"


def allocate(_: str) -> str:
    return f"{len(bytearray(FOUR_GIGABYTES))} bytes"


def open_many(path: str) -> str:
    opened: list[int] = []
    try:
        while len(opened) < MANY:
            opened.append(os.open(path, os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return f"{len(opened)} open files"


def start_threads(_: str) -> str:
    done = threading.Event()
    threads = []
    try:
        for _number in range(MANY):
            threads.append(threading.Thread(target=done.wait))
            threads[-1].start()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    finally:
        done.set()
    return f"{len(threads)} threads"


def run_new_code(_: str) -> str:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return "memory that is written and executed"


def call(name: str, *arguments: int) -> Deed:
    """Return the deed that makes one system call, most of them with arguments that do nothing."""

    def deed(_: str) -> str:
        syscalls.call(name, *map(ctypes.c_long, arguments))
        return f"{name} was made"

    return deed


ROOT_PATH = ctypes.create_string_buffer(b"/")
DEEDS: Mapping[str, Deed] = {
    "socket-inet": partial(open_socket, socket.AF_INET, socket.SOCK_STREAM),
    "socket-inet6": partial(open_socket, socket.AF_INET6, socket.SOCK_DGRAM),
    "socket-unix": partial(open_socket, socket.AF_UNIX, socket.SOCK_STREAM),
    "socket-netlink": partial(open_socket, socket.AF_NETLINK, socket.SOCK_RAW),
    "connect": connect_to,
    "datagram": look_up,
    "read": read,
    "list": listing,
    "read-memory": read_memory,
    "create": create,
    "open-for-writing": open_for_writing,
    "make-folder": make_folder,
    "remove": remove,
    "rename": rename,
    "cut": cut,
    "change-mode": change_mode,
    "link-to-read": link_to_read,
    "hard-link": hard_link,
    "fork": fork,
    "execute": execute,
    "spawn": spawn,
    "become": become,
    "execute-from-memory": execute_from_memory,
    "trace": trace,
    "signal": send_signal,
    "signal-thread": send_thread_signal,
    "signal-by-descriptor": send_signal_by_descriptor,
    "have-a-signal-sent": have_a_signal_sent,
    "limit-parent": limit_parent,
    "leave-group": leave_group,
    "raise-limit": raise_limit,
    "gain-capabilities": gain_capabilities,
    "allocate": allocate,
    "open-many": open_many,
    "start-threads": start_threads,
    "run-new-code": run_new_code,
    "unshare": call("unshare", CLONE_NEWUSER),
    "keyctl": call("keyctl", 0, -3, 1),  # the id of the session's keyring, made if missing
    "bpf": call("bpf", 0, ctypes.addressof(ctypes.create_string_buffer(128)), 128),
    "userfaultfd": call("userfaultfd", 1),
    "io-uring": call("io_uring_setup", 1, ctypes.addressof(ROOT_PATH)),
    "perf": call("perf_event_open", ctypes.addressof(ROOT_PATH), 0, -1, -1, 0),
    "personality": call("personality", 0xFFFFFFFF),
    "mount": call("mount", 0, ctypes.addressof(ROOT_PATH), 0, 0x20, 0),
    "setns": call("setns", 0, 0),
    "open-by-handle": call("open_by_handle_at", -100, 0, 0),
    "terminal": lambda _: call("ioctl", 0, TIOCSTI, ctypes.addressof(ROOT_PATH))(""),
}
