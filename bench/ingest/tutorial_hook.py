"""The tutorial's hook: FastAPI takes the event, checks its shape and puts it into a queue of the process.

Run by uvicorn in an environment of its own (requirements/bench.txt). Whoever consumes the queue is left out, and so is
whatever happens to the queue when the process ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel


class AttachmentData(BaseModel):
    conversationId: str  # noqa: N815 - as Genesys spells it
    attachmentUrl: str  # noqa: N815
    fileName: str | None = None  # noqa: N815
    mimeType: str | None = None  # noqa: N815


class AttachmentEvent(BaseModel):
    event: str
    data: AttachmentData


queue: asyncio.Queue[AttachmentEvent] = asyncio.Queue()


async def consume() -> None:
    while True:
        await queue.get()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    consumer = asyncio.create_task(consume())
    yield
    consumer.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/genesys/attachments", status_code=202)  # type: ignore[untyped-decorator]  # FastAPI is not in this environment
async def attachments(event: AttachmentEvent) -> dict[str, str]:
    await queue.put(event)
    return {"status": "queued"}
