"""The tutorial's way: one attachment after the other, each step waiting for the one before."""

import json
import resource
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pillow_heif
from minio import Minio

from bench.contestants.tutorial import preview
from bench.pipeline.server import BUCKET
from bench.pipeline.task import ACCESS_KEY, REGION, SECRET_KEY, Event, Pace, Task, events, given, tell

LIFE = timedelta(days=7)


class Tutorial:
    """Download, shrink, store, post."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._server, self._api = task.server, task.api
        self._folder = folder
        address = self._server.removeprefix("http://")
        self._minio = Minio(address, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, secure=False)

    def process(self, event: Event) -> None:
        """Bring one attachment into its conversation."""
        source, small = self._folder / event.file_name, self._folder / "preview.webp"
        with urlopen(f"{self._server}/files/{event.file_name}") as answer:
            source.write_bytes(answer.read())
        preview(source, small)
        key = f"{event.conversation_id}/{event.id}.webp"
        with small.open("rb") as data:
            self._minio.put_object(BUCKET, key, data, small.stat().st_size, content_type="image/webp")
        self._post(event.conversation_id, self._minio.presigned_get_object(BUCKET, key, expires=LIFE))

    def _post(self, conversation_id: str, url: str) -> None:
        message = {"conversationId": conversation_id, "type": "text", "text": f"Preview generated: {url}"}
        request = Request(
            f"{self._api}/api/v2/conversations/messages",
            json.dumps(message).encode(),
            {"Authorization": "Bearer token", "Content-Type": "application/json"},
        )
        with urlopen(request) as answer:
            json.load(answer)


def main() -> None:
    pillow_heif.register_heif_opener()
    task = given()
    with tempfile.TemporaryDirectory() as folder:
        tutorial = Tutorial(task, Path(folder))
        for event in events(task.warm, "warm"):
            tutorial.process(event)
        started, cpu_before = time.perf_counter(), _cpu_seconds()
        for event in events(task.names, "event"):
            tutorial.process(event)
        tell(Pace(len(task.names), time.perf_counter() - started, _cpu_seconds() - cpu_before))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
