"""A deploy that breaks everything stops its worker, and loses nothing that a good one does not mend."""

import pytest

from agents.process.worker import STOPPED_BY_GUARD
from tests.harness.genesys.faults import Fault
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

LEAST = 4
DROPPED = 20
BAD_TEMPLATE = Fault(kind="status", call="post_to_communication", status=400, code="bad.request")


def test_a_worker_whose_posts_are_all_refused_stops_and_leaves_the_rest_for_a_mended_one(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"GUARD_LEAST_CONVERSATIONS": str(LEAST)}
    with running(tmp_path_factory.mktemp("guard"), kafka, minio, settings) as rig:
        rig.genesys.control.add_fault(BAD_TEMPLATE)
        worker = rig.product.add_worker()
        dropped = [rig.drop() for _ in range(DROPPED)]
        assert worker.wait(60) == STOPPED_BY_GUARD
        assert rig.logged("worker.stopped_by_guard") == 1
        assert f"genesys_refused {LEAST}" in worker.log.read_text()
        rig.wait("the dead letters", lambda: len(rig.ledger.dead_letters) == LEAST - 1)

        worker.start()  # with the fault still there, as a supervisor does
        assert worker.wait(60) == STOPPED_BY_GUARD
        assert rig.logged("guard.on_probation") == 1
        rig.wait("one dead letter more", lambda: len(rig.ledger.dead_letters) == LEAST)

        rig.genesys.control.clear_faults()
        worker.start()
        rig.wait_for_ends(dropped)
        assert worker.stop(60) == 0
        letters = [letter.event_id for letter in rig.ledger.dead_letters]
        assert len(letters) == len(set(letters)) == LEAST
        assert {letter.reason for letter in rig.ledger.dead_letters} == {"genesys_refused"}
        linked = set(dropped) - set(letters)
        assert {rig.outcome(event_id).verdict for event_id in linked} == {"rendered"}
        rig.assert_sound()
