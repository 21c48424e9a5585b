"""What a message is about: its attachment, its conversation, its event; pure."""

from stream.messages import Attachment, Forget, Lapse, LifecycleCommand, Order, Preview, Together, order_id


def attachment_of(message: Attachment | Preview | LifecycleCommand) -> Attachment | None:
    """Return the attachment that a message is about, None for commands."""
    match message:
        case Attachment():
            return message
        case Preview():
            return message.attachment
        case _:
            return None


def home_conversation_of(message: Attachment | Preview | LifecycleCommand) -> str | None:
    """Return the conversation in whose home partition a message is worked on.

    None for commands of the due table: they are about rows of the partition that they are in.
    """
    match message:
        case Attachment() | Preview() | Order():
            return conversation_of(message)
        case _:
            return None


def conversation_of(message: Attachment | Preview | LifecycleCommand) -> str:
    """Return the conversation that a message is about, the first of several; a `Forget` knows only its event."""
    match message:
        case Preview():
            return message.attachment.conversation_id
        case Forget():
            return message.event_id
        case Together():
            return conversation_of(message.commands[0])
        case _:
            return message.conversation_id


def event_id_of(message: Attachment | Preview | LifecycleCommand) -> str:
    """Return the event id of any message, of several commands the first one's."""
    match message:
        case Preview():
            return message.attachment.event_id
        case Together():
            return message.commands[0].event_id
        case Order():
            return order_id(message)
        case Lapse():
            return message.conversation_id
        case _:
            return message.event_id
