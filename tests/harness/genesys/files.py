"""Files that guests uploaded: an API download that leads to an expiring address without a token."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web


@dataclass(slots=True, kw_only=True)
class File:
    id: str
    name: str
    mime: str
    data: bytes
    download_id: str


class Files:
    """Stored files; serves their expiring addresses on a port of its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(16)
        self._files: dict[str, File] = {}
        self._by_download: dict[str, File] = {}
        self.token_leaks = 0
        self.served = 0

    def add(self, name: str, mime: str, data: bytes) -> File:
        file = File(id=str(uuid.uuid4()), name=name, mime=mime, data=data, download_id=uuid.uuid4().hex)
        self._files[file.id] = file
        self._by_download[file.download_id] = file
        return file

    def get(self, file_id: str) -> File | None:
        return self._files.get(file_id)

    def by_download(self, download_id: str) -> File | None:
        return self._by_download.get(download_id)

    def expire(self, file: File) -> None:
        """Let the API's own address die; the message then names a fresh one."""
        del self._by_download[file.download_id]
        file.download_id = uuid.uuid4().hex
        self._by_download[file.download_id] = file

    def view(self, file_id: str, base_url: str) -> dict[str, Any] | None:
        """ConversationContentAttachment."""
        file = self._files.get(file_id)
        if file is None:
            return None
        return {
            "id": file.id,
            "mediaType": "Image" if file.mime.startswith("image/") else "File",
            "url": f"{base_url}/api/v2/downloads/{file.download_id}",
            "mime": file.mime,
            "filename": file.name,
            "contentSizeBytes": len(file.data),
            "sha256": hashlib.sha256(file.data).hexdigest(),
        }

    def path(self, file: File, lives_seconds: float) -> str:
        expires = f"{self._clock() + lives_seconds:.3f}"
        return f"/files/{file.id}?expires={expires}&signature={self._sign(file.id, expires)}"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/files/{file_id}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        if hdrs.AUTHORIZATION in request.headers:
            self.token_leaks += 1
            return web.Response(status=400, text="a token was sent to the file server")
        file = self._files.get(request.match_info["file_id"])
        expires = request.query.get("expires", "")
        if file is None or not hmac.compare_digest(request.query.get("signature", ""), self._sign(file.id, expires)):
            return web.Response(status=404)
        if self._clock() >= float(expires):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        self.served += 1
        return web.Response(body=file.data, content_type=file.mime)

    def _sign(self, file_id: str, expires: str) -> str:
        return hmac.new(self._key, f"{file_id}:{expires}".encode(), "sha256").hexdigest()
