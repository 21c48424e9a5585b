from hashlib import sha256

from agents.rendering.poison import PoisonMemory
from agents.rendering.verdicts import Refusal, Verdict

CORRUPT = Refusal(verdict=Verdict.CORRUPT, reason="It is damaged.")


def test_a_refusal_is_recalled_by_content_alone() -> None:
    memory = PoisonMemory(most=2)
    memory.remember(b"bad", None, CORRUPT)
    assert memory.recall(b"bad", None) == CORRUPT
    assert memory.recall(b"bad", sha256(b"bad").digest()) == CORRUPT
    assert memory.recall(b"bed", None) is None
    assert memory.recall(b"good", None) is None


def test_the_refusal_least_recently_met_is_forgotten_first() -> None:
    memory = PoisonMemory(most=2)
    memory.remember(b"one", None, CORRUPT)
    memory.remember(b"two", None, CORRUPT)
    memory.recall(b"one", None)
    memory.remember(b"three", None, CORRUPT)
    assert memory.recall(b"two", None) is None
    assert memory.recall(b"one", None) == memory.recall(b"three", None) == CORRUPT
    assert len(memory) == 2


def test_the_same_refusal_twice_takes_one_place() -> None:
    memory = PoisonMemory(most=2)
    for _ in range(3):
        memory.remember(b"one", None, CORRUPT)
    memory.remember(b"two", None, CORRUPT)
    assert len(memory) == 2
    assert memory.recall(b"one", None) == CORRUPT


def test_nothing_is_kept_where_nothing_may_be() -> None:
    memory = PoisonMemory(most=0)
    memory.remember(b"one", None, CORRUPT)
    assert memory.recall(b"one", None) is None
