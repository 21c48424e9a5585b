import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.download import SourcePolicy
from stream.failures import Reason, Rejected


def refusal(url: str, policy: SourcePolicy) -> Reason:
    with pytest.raises(Rejected) as caught:
        policy.target(url)
    return caught.value.reason


def test_a_url_is_taken_apart_once() -> None:
    target = SourcePolicy().target("https://Files.Example.com/a%20b/ü?x=1&y=%2F#part")
    assert (target.scheme, target.host, target.port) == ("https", "files.example.com", 443)
    assert target.path == "/a%20b/%C3%BC?x=1&y=%2F"
    assert "#" not in target.url


def test_any_port_is_allowed_and_an_ipv6_host_loses_its_brackets() -> None:
    target = SourcePolicy().target("https://[2606:4700::1]:8443/")
    assert (target.host, target.port) == ("2606:4700::1", 8443)


def test_plain_http_is_blocked_unless_allowed() -> None:
    assert refusal("http://example.com/a", SourcePolicy()) is Reason.SOURCE_BLOCKED
    assert SourcePolicy(allow_http=True).target("http://example.com/a").port == 80


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/a", "gopher://example.com/", "data:,x", "//h/x"]
)
def test_no_other_scheme_is_ever_fetched(url: str) -> None:
    assert refusal(url, SourcePolicy(allow_http=True)) in (Reason.SOURCE_BLOCKED, Reason.SOURCE_REFUSED)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.png",
        "https://",
        "https:///path",
        "https://./",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://good.example\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: other",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://example.com/" + "a" * 9000,
    ],
)
def test_a_malformed_or_ambiguous_url_is_refused(url: str) -> None:
    assert refusal(url, SourcePolicy(allow_http=True)) is Reason.SOURCE_REFUSED


@given(st.text(max_size=60).map(lambda text: "https://" + text) | st.text(max_size=60))
def test_whatever_the_text_the_answer_is_a_target_or_a_rejection(url: str) -> None:
    try:
        target = SourcePolicy(allow_http=True).target(url)
    except Rejected:
        return
    assert target.scheme in ("http", "https")
    assert target.host.isascii()
    assert target.path.startswith(("/", "?"))
    assert target.path.isascii()


def test_only_listed_hosts_are_fetched_once_there_is_a_list() -> None:
    policy = SourcePolicy(allowed_hosts=["files.example.com", "*.mypurecloud.com"])
    for host in ("files.example.com", "FILES.example.com", "files.example.com.", "api-downloads.mypurecloud.com"):
        policy.target(f"https://{host}/a")
    for host in ("example.com", "xfiles.example.com", "mypurecloud.com", "mypurecloud.com.evil.example", "127.0.0.1"):
        assert refusal(f"https://{host}/a", policy) is Reason.SOURCE_BLOCKED


def test_a_rejection_never_repeats_the_credentials_of_the_url() -> None:
    with pytest.raises(Rejected) as caught:
        SourcePolicy().target("https://user:hunter2@example.com/?X-Amz-Signature=abc")
    assert "hunter2" not in str(caught.value)
    assert "abc" not in str(caught.value)
