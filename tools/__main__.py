"""python3 -m tools setup | servers | charts | prometheus | lock: what make runs before our own code is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the one file that an older Python may meet
    sys.exit("Python 3.11 or later is needed: install it, or name it with make PYTHON=/path/to/python3")

from tools import cache, charts, containers, debian, environment, locks, prometheus, servers
from tools.command import SetupError

COMMANDS = {
    "setup": environment.prepare,
    "servers": servers.prepare,
    "charts": charts.prepare,
    "containers": containers.prepare,
    "prometheus": prometheus.prepare,
    "lock": locks.write,
}
PACKAGES = {
    "setup": environment.missing_packages,
    "servers": servers.missing_packages,
    "charts": charts.missing_packages,
    "containers": containers.missing_packages,
    "prometheus": prometheus.missing_packages,
    "lock": environment.missing_packages,
}
DONE = {
    "setup": environment.is_prepared,
    "servers": servers.is_prepared,
    "charts": charts.is_prepared,
    "containers": containers.is_prepared,
    "prometheus": prometheus.is_prepared,
}


def main(arguments: list[str]) -> None:
    """Carry out the named commands in their order; end with one line when one cannot."""
    unknown = set(arguments) - COMMANDS.keys()
    if unknown or not arguments:
        sys.exit(f"usage: python3 -m tools [{' | '.join(COMMANDS)}]…")
    if all(argument in DONE and DONE[argument]() for argument in arguments):
        return  # even while another checkout holds the lock for minutes
    try:
        with cache.locked():
            # All at once: who is not root is told once.
            debian.install([package for argument in arguments for package in PACKAGES[argument]()])
            for argument in arguments:
                COMMANDS[argument]()
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped; the next make goes on from here.", file=sys.stderr)
        sys.exit(130)  # as a shell tells SIGINT


if __name__ == "__main__":
    main(sys.argv[1:])
