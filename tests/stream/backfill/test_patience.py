import pytest

from stream.backfill.patience import EndedError, Patient
from stream.failures import Failure, Held, Reason, Refused, Retryable
from stream.genesys import calls
from stream.genesys.api import Request

REQUEST = Request(call=calls.QUERY_CONVERSATIONS)
AWAY = Retryable(Reason.GENESYS_UNAVAILABLE, "away")


class Service:
    """Answers with failures, then with itself; its sleep is its clock."""

    def __init__(self, *failures: Failure) -> None:
        self._failures = list(failures)
        self.now = 1000.0
        self.told: list[str] = []

    async def call(self, _request: Request) -> object:
        if self._failures:
            raise self._failures.pop(0)
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def patient(self, seconds: float = 600.0) -> Patient:
        return Patient(
            self.call, patience_seconds=seconds, clock=lambda: self.now, sleep=self.sleep, tell=self.told.append
        )


async def test_an_outage_is_waited_for_longer_each_time() -> None:
    service = Service(*[AWAY] * 7)
    assert await service.patient().call(REQUEST) == "answer"
    assert service.now == 1000 + 1 + 2 + 4 + 8 + 16 + 30 + 30
    assert len(service.told) == 7


async def test_what_genesys_asks_for_is_waited() -> None:
    asked = Retryable(Reason.GENESYS_UNAVAILABLE, "busy", 50.0)
    service = Service(Held.by_rate_limit(40.0), asked)
    assert await service.patient().call(REQUEST) == "answer"
    assert service.now == 1000 + 40 + 50


async def test_patience_ends_and_says_so() -> None:
    service = Service(*[AWAY] * 1000)
    with pytest.raises(EndedError, match="gave up after 100 s: genesys_unavailable: away"):
        await service.patient(100).call(REQUEST)
    assert service.now <= 1100


async def test_an_answer_renews_the_patience() -> None:
    service = Service(Held.by_rate_limit(90.0))
    patient = service.patient(100)
    await patient.call(REQUEST)
    service._failures.append(Held.by_rate_limit(90.0))
    assert await patient.call(REQUEST) == "answer"


@pytest.mark.parametrize("reason", [Reason.PERMISSION_MISSING, Reason.CREDENTIALS_REFUSED])
async def test_what_people_must_mend_is_not_waited_for(reason: Reason) -> None:
    service = Service(Held(reason, "mend it", 20.0))
    with pytest.raises(EndedError, match="mend it"):
        await service.patient().call(REQUEST)
    assert service.told == []


async def test_what_concerns_one_call_is_its_callers() -> None:
    with pytest.raises(Refused):
        await Service(Refused(Reason.CONVERSATION_CLOSED, "gone")).patient().call(REQUEST)
