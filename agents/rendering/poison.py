"""Files that were refused before: a poison file costs one child once, however often it is redelivered."""

from collections import Counter, OrderedDict
from hashlib import sha256

from agents.rendering.verdicts import Refusal


class PoisonMemory:
    """The last refusals by content; the least recently met is forgotten first.

    Hashing a file costs the parent more than handing it to a child, so it is done only when a refused one had
    exactly its length and the caller does not know the digest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._refusals: OrderedDict[tuple[int, bytes], Refusal] = OrderedDict()
        self._lengths: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._refusals)

    def recall(self, data: bytes, digest: bytes | None) -> Refusal | None:
        """Return what was said about these bytes before."""
        if not self._lengths[len(data)]:
            return None
        key = _key(data, digest)
        refusal = self._refusals.get(key)
        if refusal is not None:
            self._refusals.move_to_end(key)
        return refusal

    def remember(self, data: bytes, digest: bytes | None, refusal: Refusal) -> None:
        """Keep a refusal, at the cost of the one least recently met."""
        key = _key(data, digest)
        if key not in self._refusals:
            self._lengths[len(data)] += 1
        self._refusals[key] = refusal
        while len(self._refusals) > self._most:
            (length, _), _ = self._refusals.popitem(last=False)
            self._lengths[length] -= 1
            self._lengths += Counter()  # drops what came down to zero


def _key(data: bytes, digest: bytes | None) -> tuple[int, bytes]:
    return len(data), digest or sha256(data).digest()
