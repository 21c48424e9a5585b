import pytest
import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError

from agents.storage.verdicts import failure_of, failure_of_answer
from stream.failures import Failure, Held, Reason, Refused, Retryable


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (507, "XMinioStorageFull", Retryable, Reason.STORAGE_FULL),
        (400, "XMinioAdminBucketQuotaExceeded", Retryable, Reason.STORAGE_FULL),
        (403, "QuotaExceeded", Retryable, Reason.STORAGE_FULL),
        (413, "EntityTooLarge", Retryable, Reason.STORAGE_FULL),
        (507, "", Retryable, Reason.STORAGE_FULL),
        (500, "InternalError", Retryable, Reason.STORAGE_UNAVAILABLE),
        (503, "SlowDown", Retryable, Reason.STORAGE_UNAVAILABLE),
        (503, "", Retryable, Reason.STORAGE_UNAVAILABLE),
        (409, "OperationAborted", Retryable, Reason.STORAGE_UNAVAILABLE),
        (400, "RequestTimeout", Retryable, Reason.STORAGE_UNAVAILABLE),
        (429, "", Retryable, Reason.STORAGE_UNAVAILABLE),
        (403, "AccessDenied", Held, Reason.STORAGE_ACCESS_REFUSED),
        (403, "SignatureDoesNotMatch", Held, Reason.STORAGE_ACCESS_REFUSED),
        (403, "InvalidAccessKeyId", Held, Reason.STORAGE_ACCESS_REFUSED),
        (404, "XAdminUserNotFound", Held, Reason.STORAGE_ACCESS_REFUSED),
        (404, "NoSuchBucket", Held, Reason.STORAGE_ACCESS_REFUSED),
        (400, "AuthorizationHeaderMalformed", Held, Reason.STORAGE_ACCESS_REFUSED),
        (301, "PermanentRedirect", Held, Reason.STORAGE_ACCESS_REFUSED),
        (403, "RequestTimeTooSkewed", Held, Reason.STORAGE_ACCESS_REFUSED),
        (401, "", Held, Reason.STORAGE_ACCESS_REFUSED),
        (400, "KeyTooLongError", Refused, Reason.STORAGE_REFUSED),
        (405, "MethodNotAllowed", Refused, Reason.STORAGE_REFUSED),
    ],
)
def test_what_is_true_of_every_object_holds_and_what_may_pass_is_tried_again(
    status: int, code: str, kind: type[Failure], reason: Reason
) -> None:
    for failure in (failure_of_answer(status, code, code), failure_of(s3_error(status, code))):
        assert type(failure) is kind
        assert failure.reason is reason


def s3_error(status: int, code: str) -> S3Error:
    return S3Error(urllib3.HTTPResponse(status=status), code, "message", "/bucket/key", None, None)


def test_answers_without_xml_are_understood_by_their_status() -> None:
    assert failure_of(InvalidResponseError(503, "text/html", "<h1>Bad\n gateway</h1>")).reason is (
        Reason.STORAGE_UNAVAILABLE
    )
    assert failure_of(InvalidResponseError(403, "text/html", None)).reason is Reason.STORAGE_ACCESS_REFUSED
    assert failure_of(ServerError("server failed", 507)).reason is Reason.STORAGE_FULL


def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    assert failure_of(urllib3.exceptions.ProtocolError("broken")).reason is Reason.STORAGE_UNAVAILABLE
    assert failure_of(ConnectionResetError("reset")).reason is Reason.STORAGE_UNAVAILABLE


def test_a_message_is_one_line_of_bounded_length() -> None:
    message = failure_of(InvalidResponseError(500, "text/html", "<p>\n" * 10_000)).message
    assert len(message) <= 400
    assert "\n" not in message
