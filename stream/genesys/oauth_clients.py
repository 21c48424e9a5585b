"""The OAuth clients at Genesys Cloud: each has a budget of calls of its own."""

from typing import NamedTuple

from stream.settings import Secret, require


class OAuthClient(NamedTuple):
    """One client and what proves it."""

    id: str
    secret: Secret


def oauth_clients(ids: str, secrets: Secret) -> tuple[OAuthClient, ...]:
    """Read the lists of ids and secrets; a single id's secret is taken whole, commas included.

    Raises:
        WrongSettingError: GENESYS_CLIENT_ID names a client twice or not at all, or there is not a secret for each.
    """
    if "," not in ids:
        return (OAuthClient(ids, secrets),)
    names = [name.strip() for name in ids.split(",")]
    proofs = [Secret(secret.strip()) for secret in secrets.reveal().split(",")]
    distinct = all(names) and len(set(names)) == len(names)
    require(distinct, "GENESYS_CLIENT_ID", ids, "ids of different OAuth clients, separated by commas")
    one_each = all(proofs) and len(proofs) == len(names)
    allowed = f"{len(names)} secrets separated by commas, one for each client of GENESYS_CLIENT_ID in the same order"
    require(one_each, "GENESYS_CLIENT_SECRET", "***", allowed)
    return tuple(map(OAuthClient, names, proofs))
