"""Every call that is made, the permission that it needs, and whether it changes anything."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from stream.failures import Reason, Refused


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Genesys Cloud Platform API; docs/genesys.md lists the same table for people."""

    name: str
    method: str
    path: str
    permission: str = ""
    commits: bool = False  # a second attempt would say it twice, so a lost answer is ambiguous

    def resource(self, **ids: str) -> str:
        """Return the path with `ids` filled in, each confined to its own segment.

        The SDK quotes a path itself, but leaves `/` and `..`, and conversation ids come from outside.

        Raises:
            Refused: GENESYS_REFUSED when an id is a relative segment.
        """
        for name, value in ids.items():
            if value in ("", ".", ".."):
                raise Refused(Reason.GENESYS_REFUSED, f"{name} {value!r} is no id")
        return self.path.format(**{name: quote(value, safe="") for name, value in ids.items()})


MESSAGES: Final = "/api/v2/conversations/messages"

POST_TO_COMMUNICATION: Final = Call(
    "post_to_communication",
    "POST",
    f"{MESSAGES}/{{conversation_id}}/communications/{{communication_id}}/messages",
    "conversation:message:create or conversation:webmessaging:create",
    commits=True,
)
POST_AGENTLESS: Final = Call(
    "post_agentless", "POST", f"{MESSAGES}/agentless", "conversation:message:create", commits=True
)
POST_TUTORIAL: Final = Call("post_tutorial", "POST", MESSAGES, "conversation:message:create", commits=True)
PATCH_ATTRIBUTES: Final = Call(
    "patch_attributes", "PATCH", f"{MESSAGES}/{{conversation_id}}/participants/{{participant_id}}/attributes"
)
GET_CONVERSATION: Final = Call(
    "get_conversation", "GET", "/api/v2/conversations/{conversation_id}", "conversation:communication:view"
)
GET_HISTORY: Final = Call("get_history", "GET", f"{MESSAGES}/{{conversation_id}}")
GET_BODIES: Final = Call(
    "get_bodies", "POST", f"{MESSAGES}/{{conversation_id}}/messages/bulk", "conversation:message:view"
)
GET_MESSAGE: Final = Call(
    "get_message", "GET", f"{MESSAGES}/{{conversation_id}}/messages/{{message_id}}", "conversation:message:view"
)
GET_DOWNLOAD: Final = Call("get_download", "GET", "/api/v2/downloads/{download_id}")
QUERY_CONVERSATIONS: Final = Call(
    "query_conversations",
    "POST",
    "/api/v2/analytics/conversations/details/query",
    "analytics:conversationDetail:view",
)
TOKEN: Final = Call("token", "POST", "/oauth/token")
ALL: Final = (
    POST_TO_COMMUNICATION,
    POST_AGENTLESS,
    POST_TUTORIAL,
    PATCH_ATTRIBUTES,
    GET_CONVERSATION,
    GET_HISTORY,
    GET_BODIES,
    GET_MESSAGE,
    GET_DOWNLOAD,
    QUERY_CONVERSATIONS,
    TOKEN,
)
