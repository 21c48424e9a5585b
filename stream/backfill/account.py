"""Tells what was found and what was done: for people a table and a sum, as JSON a line a file and the sum."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from stream.backfill.reading import GuestFile
from stream.backfill.search import Finding
from stream.backfill.window import iso
from stream.console import Console, columns, visible

HEADINGS: Final = ("SENT", "CONVERSATION", "MESSAGE", "FILE", "BYTES", "EVENT ID")


class Account:
    """Counts files, and writes what is known of each."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console = console
        self._as_json = as_json
        self._known: Counter[str] = Counter()
        self.files = 0
        self.published = 0
        self.failed = 0

    def missing(self, findings: Sequence[Finding]) -> list[GuestFile]:
        """Count files, and return those that are missing."""
        self.files += len(findings)
        for finding in findings:
            if finding.mark is not None:
                self._known[finding.mark] += 1
                self._line(finding.file, "known", by=finding.mark.value)
        return [finding.file for finding in findings if finding.mark is None]

    def done(self, files: Sequence[GuestFile], problems: Mapping[str, str]) -> None:
        """Tell what became of files that were to be published."""
        for file in files:
            problem = problems.get(file.attachment.event_id)
            if problem is None:
                self.published += 1
                self._line(file, "published")
            else:
                self.failed += 1
                self._failed(file, problem)

    def unread(self, conversations: Mapping[str, str]) -> None:
        """Tell of conversations that could not be read."""
        for conversation_id, problem in conversations.items():
            if self._as_json:
                self._json({"conversationId": conversation_id, "result": "unread", "problem": problem})
            else:
                self._console.complain(f"conversation {visible(conversation_id)} not read: {visible(problem)}")

    def would(self, files: Sequence[GuestFile]) -> None:
        """Show what is to be published."""
        for file in files:
            self._line(file, "would publish")
        if files and not self._as_json:
            self._console.say(f"{columns([HEADINGS, *map(_row, files)])}\n")

    def sum(self, *, conversations: int, unread: int, erased: int = 0, would: int | None = None) -> None:
        """Write the sum; `would` is how many files a dry run would have published."""
        if self._as_json:
            counted = {"published": self.published} if would is None else {"would_publish": would}
            known = {mark.replace(" ", "_"): count for mark, count in sorted(self._known.items())}
            read = {"conversations": conversations, "unread": unread, "erased": erased}
            sums = read | {"files": self.files, "known": known}
            self._json(sums | counted | {"failed": self.failed})
            return
        did = f"published {self.published}" if would is None else f"would publish {would}"
        by = ", ".join(f"{count} by {mark}" for mark, count in self._known.most_common())
        known_text = f"; known {self._known.total()} ({by})" if by else ""
        erased_text = f"; {erased} erased conversations skipped" if erased else ""
        self._console.say(f"{did} of {self.files} files in {conversations} conversations{known_text}{erased_text}")

    def _failed(self, file: GuestFile, problem: str) -> None:
        if self._as_json:
            self._line(file, "failed", problem=problem)
        else:
            self._console.complain(f"{visible(file.attachment.event_id)} not published: {visible(problem)}")

    def _line(self, file: GuestFile, result: str, **more: str) -> None:
        if self._as_json:
            self._json(_facts(file) | {"result": result} | more)

    def _json(self, line: Mapping[str, Any]) -> None:
        self._console.say(msgspec.json.encode(line).decode())


def _facts(file: GuestFile) -> dict[str, Any]:
    attachment = file.attachment
    return {
        "eventId": attachment.event_id,
        "conversationId": attachment.conversation_id,
        "messageId": attachment.message_id,
        "attachmentId": attachment.attachment_id,
        "fileName": attachment.file_name,
        "sentAt": file.sent_at,
    }


def _row(file: GuestFile) -> tuple[str, ...]:
    attachment = file.attachment
    sent = "" if file.sent_at is None else iso(file.sent_at)
    size = "" if attachment.size_bytes is None else str(attachment.size_bytes)
    names = (attachment.conversation_id, attachment.message_id or "", attachment.file_name)
    return (sent, *map(visible, names), size, visible(attachment.event_id))
