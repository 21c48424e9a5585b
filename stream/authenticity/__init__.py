"""Whether a request comes from who it says: signatures, tokens and client certificates. Pure: time is an argument."""

from stream.authenticity.claim import Claim
from stream.authenticity.credentials import Credentials, read_credentials
from stream.authenticity.guard import Guard

__all__ = ["Claim", "Credentials", "Guard", "read_credentials"]
