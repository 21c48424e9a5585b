"""The proofs of one source, of which a request needs one."""

from collections.abc import Sequence

from stream.authenticity.claim import Claim, Proof
from stream.refusals import RefusedRequestError


class Guard:
    """Lets a request pass that any of the proofs holds for; without a proof, nobody."""

    def __init__(self, proofs: Sequence[Proof]) -> None:
        self._proofs = tuple(proofs)
        self._challenge = (b"www-authenticate", b", ".join(proof.challenge for proof in proofs))

    def check(self, claim: Claim) -> None:
        """Return when the request is who it says.

        Raises:
            RefusedRequestError: 401 with the fault of the proof that came furthest.
        """
        faults = []
        for proof in self._proofs:
            fault = proof.fault(claim)
            if fault is None:
                return
            faults.append(fault)
        told = next((fault for fault in faults if not fault.code.endswith("_missing")), faults[0])
        raise RefusedRequestError(told.status, told.code, told.message, self._challenge)
