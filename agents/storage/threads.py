"""Blocking clients behind an async door, each call under one deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from minio.error import MinioException
from urllib3.exceptions import HTTPError

from agents.storage.verdicts import failure_of
from stream.failures import Reason, Refused, Retryable

P = ParamSpec("P")
T = TypeVar("T")


class StorageThreads:
    """A bounded pool of threads whose calls end in a value or in a `Failure`.

    A call that is given up at its deadline may still take effect; object keys are deterministic and deletes idempotent,
    so that is harmless.
    """

    def __init__(self, concurrency: int, timeout_seconds: float) -> None:
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="storage")
        self._timeout_seconds = timeout_seconds

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call; its exceptions are translated."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await loop.run_in_executor(self._pool, partial(function, *args, **kwargs))
        except TimeoutError as error:
            text = f"storage did not answer within {self._timeout_seconds:g} s"
            raise Retryable(Reason.STORAGE_UNAVAILABLE, text) from error
        except ValueError as error:  # the client itself refuses, e.g. `..` in the key of a foreign record
            raise Refused(Reason.STORAGE_REFUSED, f"no request can be made of it: {error}") from error
        except (MinioException, HTTPError, OSError) as error:
            raise failure_of(error) from error

    def close(self) -> None:
        """Stop without waiting for calls that hang; each ends at its socket's timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)
