"""What the last line of a run counts as wrong."""

from collections import Counter
from dataclasses import replace

from tests.system.lifecycle.history import Trouble
from tests.system.lifecycle.judge import Judge
from tests.system.lifecycle.test_judge import TOLD, history
from tests.system.lifecycle.verdict import Verdict

RUN = dict.fromkeys(("kills", "stops", "freezes", "rebalances", "ttl_changes", "crashes", "hangs", "bugs"), 0)


def test_what_a_thawed_worker_told_again_and_what_a_run_did_not_show_are_wrong() -> None:
    told = [TOLD, replace(TOLD, taken_at=40.5)]
    given = history((9.0, 30.25), told=told, troubles=[Trouble("freeze", 29.0, 40.0)])
    verdict = Verdict.of(given, Judge(given), Counter(late=2), **RUN, uncommitted=3, seed=1, seconds=60.0)
    wrongs = verdict.wrongs()
    assert {name: wrongs[name] for name in ("late", "thawed", "uncommitted")} == {
        "late": 2,
        "thawed": 1,
        "uncommitted": 3,
    }
    assert wrongs["kills"] == wrongs["held"] == 0
    assert "early" not in wrongs
