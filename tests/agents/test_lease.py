import pytest

from agents.lease import Lease, leased
from stream.failures import Held, Reason
from tests.agents.changelogs import Changelog
from tests.agents.worlds import NOW, Clock

SESSION_SECONDS = 30.0


def test_a_lease_lasts_a_session_from_the_sending_of_an_answered_heartbeat() -> None:
    clock = Clock()
    lease = Lease(SESSION_SECONDS, clock)
    clock.now = NOW + 7
    lease.renew(NOW)
    assert lease.remaining_seconds == SESSION_SECONDS - 7
    lease.check()


@pytest.mark.parametrize("ended_by", ["nothing yet", "time", "Kafka"])
def test_without_a_lease_the_lane_is_held_for_a_moment(ended_by: str) -> None:
    clock = Clock()
    lease = Lease(SESSION_SECONDS, clock)
    if ended_by != "nothing yet":
        lease.renew(NOW)
    if ended_by == "Kafka":
        lease.end()
    clock.now = NOW + (SESSION_SECONDS if ended_by == "time" else 1)
    assert lease.remaining_seconds == 0
    with pytest.raises(Held) as held:
        lease.check()
    assert (held.value.reason, held.value.for_seconds) == (Reason.MEMBERSHIP_UNCERTAIN, 1.0)


async def test_a_worker_that_was_frozen_beyond_its_session_writes_no_row() -> None:
    clock, log = Clock(), Changelog()
    lease = Lease(SESSION_SECONDS, clock)
    append = leased(log, lease)
    lease.renew(NOW)
    assert await append("links", key=b"e1", value=b"{}", partition=2) == 0
    clock.now = NOW + SESSION_SECONDS + 1
    with pytest.raises(Held):
        await append("links", key=b"e1", value=None, partition=2)
    assert log.last(2, "e1") == b"{}"
