import subprocess
import sys
import time

from tests.harness.shifted_clock import shifted


def test_a_shifted_clock_goes_as_fast_as_the_other() -> None:
    times = iter([10.0, 11.0])
    clock = shifted(lambda: next(times), -2.5)
    assert (clock(), clock()) == (7.5, 8.5)


def test_a_module_runs_as_if_started_by_itself_with_another_time() -> None:
    # The module prints its time after a line about its setup; an hour is far more than the start of a process takes.
    command = [sys.executable, "-m", "tests.harness.shifted_clock", "3600", "timeit", "-n1", "-r1", "-s"]
    command += ["import sys, time; print(sys.argv[0][-9:], time.time() > float(sys.argv[-1]))", str(time.time() + 1800)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert printed.startswith("timeit.py True")
