"""`python -m stream erase|hold|release`: asks, orders, waits for the answers, tells."""

import os
import pwd
import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from stream.console import Console, visible
from stream.dead_letters.commands import LEFT, purge_meant
from stream.dead_letters.letters import OfConversations
from stream.kafka.ends import Ends
from stream.kafka.outbox import Outbox, RecordProducer, create_producer
from stream.messages import Erase, Hold, Order, Release, encode, order_id
from stream.orders.answers import Report, answered, report
from stream.settings import KafkaSettings
from stream.topics import Topics

DONE: Final = 0
FAILED: Final = 1
CLIENT_ID: Final = "orders"
KINDS: Final[Mapping[str, type[Order]]] = {"erase": Erase, "hold": Hold, "release": Release}


def run(settings: KafkaSettings, options: Namespace, console: Console) -> int:
    """Carry out the command; return its exit code.

    Raises:
        KafkaUnreachableError: Kafka does not answer, or a topic is missing.
    """
    orders = orders_of(options, time.time)
    if not options.yes and not console.confirm(f"Erase {_counted(len(orders), 'conversation')}, for good?"):
        console.complain("nothing erased")
        return FAILED
    reports = []
    for one in _carried_out(settings, orders, options):
        tell(one, console, as_json=options.json)
        reports.append(one)
    purged = _purge_dead_letters(settings, reports, options, console) if options.dead_letters else True
    return DONE if purged and all(one.is_done for one in reports) else FAILED


def orders_of(options: Namespace, clock: Callable[[], float]) -> list[Order]:
    """Return an order for each conversation that is named, once for each; `clock` is wall time."""
    make, by = KINDS[options.order], _login_name() if options.by is None else options.by
    return [
        make(conversation_id=name, order_id=str(uuid.uuid4()), by=by, note=options.note, ordered_at=clock())
        for name in dict.fromkeys(options.conversations)
    ]


def _carried_out(settings: KafkaSettings, orders: Sequence[Order], options: Namespace) -> Iterator[Report]:
    producer, topic = create_producer(settings, CLIENT_ID), Topics.of(settings).lifecycle
    if options.no_wait:
        problems = send(producer, topic, orders)
        yield from (_unsent(order, problems) or report(order, "ordered") for order in orders)
        return
    with Ends(settings, client_id=CLIENT_ID) as ends:  # before an answer can be written
        problems = send(producer, topic, orders)
        unsent = [one for order in orders if (one := _unsent(order, problems))]
        yield from unsent
        open_orders = {order_id(order): order for order in orders if order_id(order) not in problems}
        with suppress(KeyboardInterrupt):  # what is ordered is ordered
            for one in answered(list(open_orders.values()), ends.follow(options.wait_seconds)):
                del open_orders[one.order_id]
                yield one
    yield from (report(order, "unanswered") for order in open_orders.values())


def send(producer: RecordProducer, topic: str, orders: Sequence[Order]) -> Mapping[str, str]:
    """Send orders, keyed by conversation; return why Kafka has not acknowledged those that it has not, by order id."""
    outbox = Outbox[str](producer)
    for order in orders:
        outbox.send(order_id(order), topic, value=encode(order), key=order.conversation_id.encode())
    outbox.settle()
    return outbox.problems


def tell(one: Report, console: Console, *, as_json: bool) -> None:
    """Tell what became of an order: on the standard output where it was carried out, else on the other."""
    if as_json:
        console.say(msgspec.json.encode(one).decode())
        return
    text = f"{visible(one.conversation_id)}: {_words(one)}"
    (console.say if one.is_done else console.complain)(text)


def _words(one: Report) -> str:
    match one.state:
        case "ordered":
            return f"ordered, as {one.order_id}"
        case "unanswered":
            return (
                "no answer in time. The order stands in Kafka and is carried out once a worker runs; "
                f"its answer in [results] will have the id {one.order_id}"
            )
        case "unsent":
            return f"not ordered, as far as is known: {visible(one.reason)}"
        case "dead_letter":
            return f"the order became a dead letter, to be replayed once that is mended: {visible(one.reason)}"
        case "refused":
            return f"refused: {visible(one.reason)}"
    return f"{one.state}: {_counted(one.previews, 'preview')}"


def _purge_dead_letters(
    settings: KafkaSettings, reports: Sequence[Report], options: Namespace, console: Console
) -> bool:
    """Remove the dead letters of what is erased; one that is not may be held."""
    erased = {one.conversation_id for one in reports if one.state == "erased"}
    if len(erased) < len(reports):
        console.complain("dead letters of what is not erased stay")
    if not erased:
        return True
    quietly = Namespace(yes=True, dry_run=False, json=options.json)
    return purge_meant(settings, OfConversations(frozenset(erased)), quietly, console) != LEFT


def _unsent(order: Order, problems: Mapping[str, str]) -> Report | None:
    problem = problems.get(order_id(order))
    return None if problem is None else report(order, "unsent", problem)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _login_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container whose user is a number only
        return f"uid {os.getuid()}"
