import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError

from stream.failures import Ambiguous, Failure, Held, Reason, Refused, Rejected, Retryable
from stream.genesys import calls
from stream.genesys.answers import failure_of_status, failure_of_transport, lost_by, redacted
from stream.genesys.calls import Call

POST = calls.POST_TO_COMMUNICATION
GET = calls.GET_CONVERSATION
READ_TIMEOUT = ReadTimeoutError(HTTPConnectionPool("host"), "/", "slow")
REFUSED_CONNECTION = NewConnectionError(HTTPConnection("host"), "refused")


@pytest.mark.parametrize(
    ("call", "status", "headers", "family", "reason"),
    [
        (POST, 429, {"Retry-After": "17"}, Held, Reason.RATE_LIMITED),
        (POST, 503, {"Retry-After": "3"}, Retryable, Reason.GENESYS_UNAVAILABLE),
        (POST, 503, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (POST, 500, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (POST, 502, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (POST, 504, {"Retry-After": "3"}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (POST, 408, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (calls.POST_AGENTLESS, 500, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (calls.POST_TUTORIAL, 500, {}, Ambiguous, Reason.GENESYS_AMBIGUOUS),
        (calls.PATCH_ATTRIBUTES, 500, {}, Retryable, Reason.GENESYS_UNAVAILABLE),
        (calls.GET_BODIES, 500, {}, Retryable, Reason.GENESYS_UNAVAILABLE),
        (GET, 504, {}, Retryable, Reason.GENESYS_UNAVAILABLE),
        (POST, 401, {}, Held, Reason.CREDENTIALS_REFUSED),
        (POST, 403, {}, Held, Reason.PERMISSION_MISSING),
        (POST, 404, {}, Refused, Reason.CONVERSATION_CLOSED),
        (POST, 409, {}, Refused, Reason.CONVERSATION_CLOSED),
        (POST, 400, {}, Refused, Reason.GENESYS_REFUSED),
        (POST, 413, {}, Refused, Reason.GENESYS_REFUSED),
        (POST, 302, {}, Refused, Reason.GENESYS_REFUSED),
        (calls.GET_DOWNLOAD, 404, {}, Rejected, Reason.SOURCE_GONE),
        (calls.TOKEN, 400, {}, Held, Reason.CREDENTIALS_REFUSED),
        (calls.TOKEN, 401, {}, Held, Reason.CREDENTIALS_REFUSED),
        (calls.TOKEN, 404, {}, Held, Reason.CREDENTIALS_REFUSED),
        (calls.TOKEN, 429, {"Retry-After": "17"}, Held, Reason.RATE_LIMITED),
        (calls.TOKEN, 503, {}, Retryable, Reason.GENESYS_UNAVAILABLE),
    ],
)
def test_each_status_is_one_failure(
    call: Call, status: int, headers: dict[str, str], family: type[Failure], reason: Reason
) -> None:
    failure = failure_of_status(call, status, headers, "{}")
    assert type(failure) is family
    assert failure.reason is reason
    assert str(pickle.loads(pickle.dumps(failure))) == str(failure)


def test_retry_after_is_obeyed() -> None:
    held = failure_of_status(POST, 429, {"Retry-After": "17"}, "")
    later = failure_of_status(POST, 503, {"Retry-After": "9"}, "")
    assert isinstance(held, Held)
    assert isinstance(later, Retryable)
    assert (held.for_seconds, later.retry_after_seconds) == (17.0, 9.0)


@given(st.text(max_size=20))
def test_any_retry_after_is_a_sane_time(value: str) -> None:
    held = failure_of_status(POST, 429, {"Retry-After": value}, "")
    assert isinstance(held, Held)
    assert 1.0 <= held.for_seconds <= 300.0


def test_a_429_without_retry_after_waits_for_the_reset_or_a_default() -> None:
    with_reset = failure_of_status(POST, 429, {"inin-ratelimit-reset": "42"}, "")
    bare = failure_of_status(POST, 429, {}, "")
    assert isinstance(with_reset, Held)
    assert isinstance(bare, Held)
    assert (with_reset.for_seconds, bare.for_seconds) == (42.0, 10.0)


@pytest.mark.parametrize(
    ("call", "error", "reason", "status"),
    [
        (POST, READ_TIMEOUT, Reason.GENESYS_AMBIGUOUS, "timeout"),
        (POST, ProtocolError("dropped"), Reason.GENESYS_AMBIGUOUS, "dropped"),
        (POST, REFUSED_CONNECTION, Reason.GENESYS_UNAVAILABLE, "dropped"),
        (GET, READ_TIMEOUT, Reason.GENESYS_UNAVAILABLE, "timeout"),
        (GET, ProtocolError("dropped"), Reason.GENESYS_UNAVAILABLE, "dropped"),
        (calls.PATCH_ATTRIBUTES, READ_TIMEOUT, Reason.GENESYS_UNAVAILABLE, "timeout"),
    ],
)
def test_a_lost_answer_is_ambiguous_only_where_something_may_have_been_said(
    call: Call, error: HTTPError, reason: Reason, status: str
) -> None:
    failure = failure_of_transport(call, error)
    assert isinstance(failure, Retryable)
    assert failure.reason is reason
    assert lost_by(error) == status


def test_a_403_names_the_permission_that_the_answer_names() -> None:
    body = json.dumps({"message": "Missing the following permission(s): conversation:message:create"})
    assert "conversation:message:create;" in failure_of_status(GET, 403, {}, body).message
    body = json.dumps({"message": "no", "messageParams": {"permissions": "[conversation:webmessaging:create]"}})
    assert "conversation:webmessaging:create" in failure_of_status(GET, 403, {}, body).message


@pytest.mark.parametrize("call", [call for call in calls.ALL if call.permission])
def test_a_403_that_names_nothing_is_looked_up_in_the_table(call: Call) -> None:
    assert call.permission in failure_of_status(call, 403, {}, "<html>").message


def test_a_403_of_a_call_without_permission_points_to_the_division() -> None:
    assert "division" in failure_of_status(calls.PATCH_ATTRIBUTES, 403, {}, "{}").message


def test_an_error_tells_code_message_and_context() -> None:
    body = json.dumps({"code": "bad.request", "message": "textBody is too long", "contextId": "ctx-1"})
    message = failure_of_status(POST, 400, {}, body).message
    assert all(part in message for part in ("bad.request", "textBody is too long", "ctx-1"))


@pytest.mark.parametrize(
    "body",
    [
        "Authorization: Bearer s3cr3t-value_x.y~z",
        "authorization: basic s3cr3t-value==",
        '{"access_token": "s3cr3t-value", "expires_in": 1}',
        "{'client_secret':'s3cr3t-value'}",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=s3cr3t-value&X-Amz-Date=1",
        "GET /x?a=1&access_token=s3cr3t-value HTTP/1.1",
        "our own s3cr3t-value",
    ],
)
def test_a_body_is_logged_without_secrets(body: str) -> None:
    assert "s3cr3t" not in redacted(body, ["s3cr3t-value"] if body.startswith("our own") else [])


def test_a_body_is_logged_cut() -> None:
    assert len(redacted("x" * 10_000)) == 501


def test_ids_stay_in_their_own_segment_of_the_path() -> None:
    path = POST.resource(conversation_id="../../../users", communication_id="a/b?c#d%2e")
    assert path.startswith("/api/v2/conversations/messages/..%2F..%2F..%2Fusers/communications/a%2Fb%3Fc%23d%252e/")


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_relative_segment_is_no_id(value: str) -> None:
    with pytest.raises(Refused) as refused:
        GET.resource(conversation_id=value)
    assert refused.value.reason is Reason.GENESYS_REFUSED
