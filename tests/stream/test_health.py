import json

from stream.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_process_is_live_while_its_loop_beats() -> None:
    clock = Clock()
    health = Health(clock, max_silence_seconds=10)
    clock.now += 10
    assert health.liveness().status == 200
    clock.now += 1
    assert health.liveness().status == 503
    assert health.liveness().reasons == {"loop": "has not run for 11 seconds"}
    health.beat()
    assert health.liveness().status == 200


def test_a_process_is_ready_once_every_part_it_waits_for_is() -> None:
    health = Health(Clock(), waiting_for=("kafka", "genesys"))
    assert health.readiness().reasons == {"kafka": "starting", "genesys": "starting"}
    health.ready("kafka")
    assert health.readiness().status == 503
    health.ready("genesys")
    assert health.readiness().status == 200


def test_readiness_names_the_part_and_its_last_reason() -> None:
    health = Health(Clock())
    health.not_ready("genesys", "permission conversation:message:view missing")
    health.not_ready("genesys", "permission conversation:message:create missing")
    report = health.readiness()
    assert report.status == 503
    assert json.loads(report.body()) == {
        "status": "unavailable",
        "reasons": {"genesys": "permission conversation:message:create missing"},
    }
    health.ready("genesys")
    health.ready("a part that held nothing")
    assert json.loads(health.readiness().body()) == {"status": "ok", "reasons": {}}


def test_what_waits_for_somebody_else_is_told_and_keeps_nobody_from_being_ready() -> None:
    health = Health(Clock())
    health.waits("storage", "calls to storage wait: connection refused")
    report = health.readiness()
    assert report.status == 200
    assert json.loads(report.body())["waiting"] == {"storage": "calls to storage wait: connection refused"}
    health.waits("storage", "")
    assert json.loads(health.readiness().body()) == {"status": "ok", "reasons": {}}


def test_readiness_that_is_not_told_again_in_time_counts_no_more() -> None:
    clock = Clock()
    health = Health(clock, waiting_for=["kafka"])
    health.ready("kafka", 10)
    health.ready("disk")
    clock.now += 10
    assert health.readiness().status == 200
    clock.now += 0.1
    assert health.readiness().reasons == {"kafka": "has not been heard of"}
    health.ready("kafka", 10)
    assert health.readiness().status == 200


def test_a_process_has_started_once_every_part_that_it_starts_with_was_ready() -> None:
    health = Health(Clock(), waiting_for=("kafka", "storage"), starting_with=("kafka",))
    assert (health.startup().status, health.startup().reasons) == (503, {"kafka": "starting"})
    health.not_ready("kafka", "no answer")
    assert health.startup().reasons == {"kafka": "no answer"}
    health.ready("kafka")
    assert health.startup().status == 200
    health.not_ready("kafka", "partitions are being assigned")
    assert (health.startup().status, health.startup().reasons) == (200, {})


def test_a_part_that_is_stuck_ends_the_life_of_its_process_until_it_goes_on() -> None:
    health = Health(Clock())
    health.stuck({"attachments 3": "no record has ended for 900 seconds"})
    assert health.liveness().reasons == {"attachments 3": "no record has ended for 900 seconds"}
    assert (health.liveness().status, health.readiness().status) == (503, 200)
    health.stuck({})
    assert health.liveness().status == 200
