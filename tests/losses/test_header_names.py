"""Records with header names that aiokafka cannot decode, on real Kafka."""

import pytest

from tests.harness.kafka import RealKafka
from tests.harness.raw_records import batch, produce
from tests.losses.conftest import NewTrial
from tests.losses.plans import Kind

pytestmark = [pytest.mark.system, pytest.mark.parametrize("kind", [Kind.OURS], indirect=True)]


async def test_records_with_header_names_of_any_bytes_are_done_once_and_stop_nobody(
    new_trial: NewTrial, kafka: RealKafka
) -> None:
    trial = await new_trial(2)
    values = [b"%d" % number for number in range(5)]
    # In its first record, in the last one, in the middle, in all of them; a lane has room for less than all at a time.
    for names in ({0: b"\xff"}, {4: b"\xc3\x28"}, {2: b"a\xffb"}, dict.fromkeys(range(5), b"\x80")):
        await trial.produce(values)
        await produce(kafka.bootstrap_servers, trial.topic, 0, batch(values, names))
        trial.expect(0, 5)
    await trial.produce(values, partition=1)
    life = await trial.live(job_seconds=0.05)
    await trial.settle()
    trial.judge()
    assert not life.ended()
    assert sorted(trial.done()) == sorted([(0, offset) for offset in range(40)] + [(1, offset) for offset in range(5)])
