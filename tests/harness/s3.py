"""S3 servers: MinIO and versitygw as they are, and moto for what needs no real one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Final

import minio
import minio.error
import urllib3
import urllib3.exceptions

from tests.harness.processes import Process, free_port
from tests.harness.servers import MissingServerError, Server, existing
from tools import servers as installed

ACCESS_KEY: Final = "harness-access-key"
SECRET_KEY: Final = "harness-secret-key"
REGION: Final = "us-east-1"
ANSWER_SECONDS: Final = 1.0


class S3Server(Server):
    """An S3 server on 127.0.0.1 with one key pair."""

    access_key: Final = ACCESS_KEY
    secret_key: Final = SECRET_KEY
    region: Final = REGION
    keeps_objects: ClassVar[bool] = True

    def __init__(self, process: Process, port: int) -> None:
        super().__init__(process)
        self.port = port

    @property
    def address(self) -> str:
        """Host and port, as the minio client wants them."""
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        return f"http://{self.address}"

    def ready(self) -> bool:
        """Tell whether the server answers a signed request; MinIO's health path says so before it does."""
        with urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS) as http:
            client = minio.Minio(
                self.address, self.access_key, self.secret_key, secure=False, region=self.region, http_client=http
            )
            try:
                client.list_buckets()
            except (urllib3.exceptions.HTTPError, minio.error.MinioException):
                return False
            return True


class EmbeddedS3(S3Server):
    """moto's server: in memory, so that `stop` forgets everything; it checks no signature."""

    keeps_objects: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        super().__init__(Process("embedded S3", command, folder / "s3.log"), port)


class Minio(S3Server):
    """MinIO; `stop` and `start` keep port and data.

    Raises:
        MissingServerError: It is not on this machine.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port()
        program = existing(installed.program("minio"), "MinIO")
        address = f"127.0.0.1:{port}"
        command: list[str | Path] = [
            program,
            "server",
            "--quiet",
            "--address",
            address,
            "--console-address",
            "127.0.0.1:0",
        ]
        environ = {
            **os.environ,
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": SECRET_KEY,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        process = Process("MinIO", [*command, folder / "data"], folder / "s3.log", environ)
        super().__init__(process, port)


class VersityGateway(S3Server):
    """versitygw over a folder; `stop` and `start` keep port and data, unless `capacity_bytes` limits them.

    With `capacity_bytes` the folder is a file system of that size which this server alone sees and which ends with it:
    a full disk as it is, without a mount to clean up.

    Raises:
        MissingServerError: It is not on this machine, or this machine lets nobody make such a file system.
    """

    def __init__(self, folder: Path, capacity_bytes: int | None = None) -> None:
        port = free_port()
        program = existing(installed.program("versitygw"), "versitygw")
        data = folder / "data"
        data.mkdir()
        # Its log of requests would hold nothing that a test reads.
        options = ["--quiet", "--port", f"127.0.0.1:{port}", "--region", REGION]
        command: list[str | Path] = [program, *options, "posix", data]
        if capacity_bytes is not None:
            command = [*_with_small_disk(data, capacity_bytes), *command]
        environ = {**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        super().__init__(Process("versitygw", command, folder / "s3.log", environ), port)


def _with_small_disk(folder: Path, capacity_bytes: int) -> list[str | Path]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'
    command: list[str | Path] = ["unshare", *user, "--mount", "sh", "-c", mount, "sh", str(capacity_bytes), folder]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise MissingServerError("a disk of limited size needs Linux's unshare") from error
    except subprocess.CalledProcessError as error:
        raise MissingServerError(f"a disk of limited size cannot be made here: {error.stderr.strip()}") from error
    return command
