"""Every escape that is tried, and by which profile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.confinement.captive import OUTRAGES

MAIN = "main"
EXECUTING = "executing"
PROFILES = (MAIN, EXECUTING)

# {folder} is a folder of the test with victim files, {parent} the id of the process that runs the pool, {forkserver}
# of the one that children are forked from, {port} of a listener of the parent.
TELLING: Sequence[tuple[str, str]] = (
    ("socket-inet", "-"),
    ("socket-inet6", "-"),
    ("socket-unix", "-"),
    ("socket-netlink", "-"),
    ("connect", "127.0.0.1:{port}"),
    ("datagram", "-"),
    ("read", "/etc/passwd"),
    ("read", "/etc/hostname"),
    ("read", "{folder}/secret"),
    ("read", "{checkout}/pyproject.toml"),
    ("read", "{checkout}/.git/HEAD"),
    ("read", "{checkout}/agents/../pyproject.toml"),
    ("read", "/proc/self/environ"),
    ("read", "/proc/{parent}/environ"),
    ("read", "/proc/{parent}/cmdline"),
    ("read", "/proc/{parent}/mem"),
    ("read", "/proc/{forkserver}/environ"),
    ("read", "/proc/self/root/etc/passwd"),
    ("read", "/usr/lib/../../etc/passwd"),
    ("read", "/dev/shm"),
    ("list", "/"),
    ("list", "/proc"),
    ("list", "{folder}"),
    ("list", "{checkout}"),
    ("read-memory", "{parent}"),
    ("create", "{folder}/new"),
    ("create", "/tmp/escaped-from-confinement"),
    ("create", "/dev/shm/escaped-from-confinement"),
    ("create", "{checkout}/agents/escaped.py"),
    ("open-for-writing", "{folder}/victim"),
    ("open-for-writing", "{checkout}/agents/__init__.py"),
    ("open-for-writing", "/proc/self/fd/5"),
    ("open-for-writing", "/dev/null"),
    ("make-folder", "{folder}/folder"),
    ("remove", "{folder}/victim"),
    ("rename", "{folder}/victim"),
    ("cut", "{folder}/victim"),
    ("change-mode", "{folder}/victim"),
    ("link-to-read", "{folder}/secret"),
    ("hard-link", "{folder}/secret"),
    ("read", "{folder}/link-to-passwd"),
    ("execute", "/bin/sh"),
    ("execute", "/bin/true"),
    ("execute", "{python}"),
    ("spawn", "/bin/true"),
    ("become", "/bin/true"),
    ("trace", "{parent}"),
    ("trace", "{forkserver}"),
    ("signal", "{parent}"),
    ("signal", "{forkserver}"),
    ("signal-thread", "{parent}"),
    ("signal-by-descriptor", "{parent}"),
    ("have-a-signal-sent", "{parent}"),
    ("limit-parent", "{parent}"),
    ("leave-group", "-"),
    ("raise-limit", "-"),
    ("gain-capabilities", "-"),
    ("allocate", "-"),
    ("open-many", "/usr/lib"),
    ("start-threads", "-"),
    ("unshare", "-"),
    ("keyctl", "-"),
    ("bpf", "-"),
    ("userfaultfd", "-"),
    ("io-uring", "-"),
    ("perf", "-"),
    ("personality", "-"),
    ("mount", "-"),
    ("setns", "-"),
    ("open-by-handle", "-"),
    ("terminal", "-"),
)
ONLY_MAIN: Sequence[tuple[str, str]] = (
    ("fork", "-"),  # the other profile runs poppler
    ("execute", "{pdfinfo}"),
    ("execute-from-memory", "{pdfinfo}"),
    ("run-new-code", "-"),  # a program that is executed has to be loaded
)
# What a child may do to itself; the pool must call it this, and go on.
EXPECTED: Mapping[str, str] = {
    "spin": "timeout",
    "sleep": "starved",
    "segfault": "crashed",
    "abort": "crashed",
    "garbage": "garbage",
    "endless": "garbage",
    "slow-endless": "garbage",
    "huge-picture": "garbage",
    "no-picture": "garbage",
}


@dataclass(frozen=True, kw_only=True)
class Escape:
    """One deed, one profile; `expected` is the cause by which the pool loses the child, empty when the child tells."""

    profile: str
    name: str
    argument: str
    expected: str = ""

    def __str__(self) -> str:
        argument = "" if self.argument == "-" else f" {self.argument}"
        return f"{self.profile}: {self.name}{argument}"


def escapes() -> Iterator[Escape]:
    """Yield all of them."""
    for profile in PROFILES:
        for name, argument in (*TELLING, *(ONLY_MAIN if profile == MAIN else ())):
            yield Escape(profile=profile, name=name, argument=argument)
        for name in OUTRAGES:
            yield Escape(profile=profile, name=name, argument="-", expected=EXPECTED[name])
