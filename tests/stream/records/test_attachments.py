import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.arrival import Arrival, EventSource
from stream.messages import Attachment, decode_attachment
from stream.records.attachments import record_of
from stream.records.cloud_events import without_event
from stream.records.trace_context import trace_headers

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTACHMENT = Attachment(event_id="mèssage:1", conversation_id="cönversation", attachment_url="https://x.example.com/a")


def arrival(traceparent: str = "", tracestate: str = "") -> Arrival:
    return Arrival(
        source=EventSource.OPEN_MESSAGING,
        request_id="request-1",
        received_at=1_700_000_000.25,
        traceparent=traceparent,
        tracestate=tracestate,
    )


def test_a_record_is_keyed_by_conversation_and_knows_when_it_was_received() -> None:
    record = record_of(ATTACHMENT, arrival())
    assert (record.key.decode(), record.event_id) == ("cönversation", "mèssage:1")
    assert decode_attachment(record.value).received_at == 1_700_000_000.25


def test_the_attributes_of_cloud_events_are_headers_in_binary_mode() -> None:
    assert dict(record_of(ATTACHMENT, arrival()).headers) == {
        "ce_specversion": b"1.0",
        "ce_id": "mèssage:1".encode(),
        "ce_source": b"/genesys-cloud/open-messaging",
        "ce_type": b"attachment.received",
        "ce_time": b"2023-11-14T22:13:20.250Z",
        "content-type": b"application/json",
        "request-id": b"request-1",
    }


def test_a_retry_of_the_sender_has_the_same_event_id_and_value_but_for_its_time() -> None:
    first, second = record_of(ATTACHMENT, arrival()), record_of(ATTACHMENT, arrival(TRACE))
    assert (first.event_id, first.key, first.value) == (second.event_id, second.key, second.value)
    assert dict(first.headers)["ce_id"] == dict(second.headers)["ce_id"]


def test_the_trace_goes_along() -> None:
    headers = dict(record_of(ATTACHMENT, arrival(TRACE, "vendor=a1, tenant@system=b2")).headers)
    assert headers["traceparent"].decode() == TRACE
    assert headers["tracestate"] == b"vendor=a1, tenant@system=b2"


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "junk",
        TRACE.upper(),
        TRACE[:-1],
        TRACE + "-more",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + TRACE[-3:],
        TRACE + "\n",
        "01" + TRACE[2:] + "x" * 500,
    ],
)
def test_a_malformed_trace_is_left_out_and_its_state_with_it(traceparent: str) -> None:
    assert trace_headers(traceparent, "vendor=a1") == []


def test_a_later_version_of_traceparent_is_carried_on_as_it_came() -> None:
    assert trace_headers("01" + TRACE[2:] + "-more") == [("traceparent", b"01" + TRACE[2:].encode() + b"-more")]


@pytest.mark.parametrize(
    "tracestate",
    ["", " , ", "no value", "Upper=1", "a=\n", "a=é", "a=" + "x" * 600, ",".join(f"k{n}=1" for n in range(33))],
)
def test_a_malformed_tracestate_is_left_out_alone(tracestate: str) -> None:
    assert trace_headers(TRACE, tracestate) == [("traceparent", TRACE.encode())]


@given(st.text(), st.text())
def test_whatever_is_claimed_to_be_a_trace_is_carried_on_as_it_is_or_not_at_all(parent: str, state: str) -> None:
    assert set(trace_headers(parent, state)) <= {
        ("traceparent", parent.encode(errors="replace")),
        ("tracestate", state.encode(errors="replace")),
    }


def test_another_value_made_from_a_record_is_another_event() -> None:
    headers = record_of(ATTACHMENT, arrival(TRACE)).headers
    assert dict(without_event(headers)) == {"request-id": b"request-1", "traceparent": TRACE.encode()}
