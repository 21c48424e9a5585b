import os
import subprocess
import sys

from bench.cpu import descendants_seconds, process_seconds

BURN = """
import sys, time
while time.process_time() < 0.2:
    pass
print("burnt", flush=True)
sys.stdin.read()
"""


def test_what_a_child_burns_is_counted_while_it_lives_and_after_it_has_ended() -> None:
    before = descendants_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"burnt\n"
        assert process_seconds(child.pid) >= 0.2
        assert descendants_seconds(os.getpid()) - before >= 0.19
    assert descendants_seconds(os.getpid()) - before >= 0.19
