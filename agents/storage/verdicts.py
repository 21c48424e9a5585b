"""What a storage server's refusal means: pure.

A wrong key, a missing permission or a missing bucket is true for every object: the lane is held and readiness turned
off until the setting is mended. As a dead letter each, one typing error would drain the whole topic.
"""

from typing import Final

from minio.error import InvalidResponseError, S3Error, ServerError

from stream.failures import Failure, Held, Reason, Refused, Retryable

HOLD_SECONDS: Final = 15.0

_FULL: Final = frozenset(
    {
        "EntityTooLarge",  # OpenStack Swift says this at its quota; a preview of some kilobytes is never too large
        "InsufficientStorage",
        "QuotaExceeded",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioDiskFull",
        "XMinioStorageFull",
    }
)
_ACCESS: Final = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",  # the region is wrong
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidSecurity",
        "InvalidToken",
        "NoSuchBucket",
        "NotSignedUp",
        "PermanentRedirect",
        "RequestTimeTooSkewed",  # the clock is wrong
        "SignatureDoesNotMatch",
        "UnauthorizedAccess",
        "XAdminUserNotFound",  # versitygw: the access key is unknown
        "XMinioInvalidAccessKeyId",
    }
)
_TRANSIENT: Final = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "XMinioServerNotInitialized",
    }
)


def failure_of(error: Exception) -> Failure:
    """Return the failure that an exception of the minio client or urllib3 stands for."""
    if isinstance(error, S3Error):
        return failure_of_answer(error.response.status, error.code or "", f"{error.code}: {error.message}")
    if isinstance(error, ServerError):
        return failure_of_answer(error.status_code, "", str(error))
    if isinstance(error, InvalidResponseError):  # no public attribute holds the status
        return failure_of_answer(int(vars(error)["_code"]), "", str(error))
    return Retryable(Reason.STORAGE_UNAVAILABLE, _cut(f"{type(error).__name__}: {error}"))


def failure_of_answer(status: int, code: str, message: str) -> Failure:
    """Return the failure that a status and an S3 error code ("" where there is none) stand for."""
    text = _cut(f"storage answered {status} {message}")
    if code in _FULL or status in (413, 507):
        return Retryable(Reason.STORAGE_FULL, text)
    if code in _TRANSIENT or status >= 500 or status in (408, 409, 425, 429):  # noqa: PLR2004 - the 5xx family
        return Retryable(Reason.STORAGE_UNAVAILABLE, text)
    if code in _ACCESS or status in (401, 403):
        return Held(Reason.STORAGE_ACCESS_REFUSED, text, HOLD_SECONDS)
    return Refused(Reason.STORAGE_REFUSED, text)


def _cut(text: str) -> str:
    return " ".join(text.split())[:400]
