"""Which URLs a download may ask: pure, no resolver and no socket."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from stream.failures import Reason, Rejected

MAX_URL_CHARACTERS: Final = 8192  # as attachmentUrl in [attachments]
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
# Characters that parsers disagree about; a URL that means two things to two parsers is how filters are passed.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """One URL, taken apart once; whoever connects uses these parts and never parses again."""

    url: str
    scheme: str
    host: str
    port: int
    path: str


class SourcePolicy:
    """Scheme and host rules. Any port is allowed: the address behind it is judged, and it is public."""

    def __init__(self, *, allow_http: bool = False, allowed_hosts: Iterable[str] = ()) -> None:
        self._schemes = {"https", "http"} if allow_http else {"https"}
        self._hosts = tuple(host.lower().rstrip(".") for host in allowed_hosts)

    def target(self, url: str) -> Target:
        """Take a URL apart and judge what can be judged without the network.

        Raises:
            Rejected: SOURCE_REFUSED when it is malformed or carries credentials, SOURCE_BLOCKED when policy forbids it.
        """
        parts = _parse(url)
        if parts.scheme not in self._schemes:
            raise Rejected(
                Reason.SOURCE_BLOCKED, f"scheme {parts.scheme} is not allowed, only {_listed(self._schemes)}"
            )
        target = _target(parts)
        if self._hosts and not any(_matches(target.host, pattern) for pattern in self._hosts):
            raise Rejected(Reason.SOURCE_BLOCKED, f"host {target.host} is not among the allowed hosts")
        return target


def _parse(url: str) -> Url:
    if len(url) > MAX_URL_CHARACTERS or _AMBIGUOUS.search(url):
        raise _malformed("too long, or with spaces, control characters or backslashes")
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise _malformed("not a URL") from error
    if parts.scheme is None:
        raise _malformed("no scheme")
    return parts


def _target(parts: Url) -> Target:
    if parts.auth is not None:
        raise Rejected(Reason.SOURCE_REFUSED, "the address carries a user name or password")
    scheme, host = str(parts.scheme), (parts.host or "").strip("[]").lower()
    if not host.rstrip(".") or not host.isascii() or "%" in host:
        raise _malformed("no host name that can be looked up")
    port = parts.port if parts.port is not None else _DEFAULT_PORTS[scheme]
    return Target(url=parts._replace(fragment=None).url, scheme=scheme, host=host, port=port, path=parts.request_uri)


def _malformed(why: str) -> Rejected:
    return Rejected(Reason.SOURCE_REFUSED, f"the address is malformed: {why}")


def _matches(host: str, pattern: str) -> bool:
    host = host.rstrip(".")
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
