from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.sse import MAX_EVENT, Event, EventParser

STREAM = (
    ": a comment\n"
    'data: {"a": "å🦙"}\n\n'
    "event: error\r\ndata: first\r\ndata:second\r\nid: 7\r\nretry: 5\r\n\r\n"
    "event: nothing to say\n\n"
    "data\rdata:  two spaces\r\r"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    Event('{"a": "å🦙"}'),
    Event("first\nsecond", "error"),
    Event("\n two spaces"),
    Event("[DONE]"),
]


def parsed(pieces):
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def test_a_stream_reads_the_same_cut_at_every_byte():
    for cut in range(len(STREAM) + 1):
        assert parsed([STREAM[:cut], STREAM[cut:]]) == EVENTS


def test_a_stream_reads_the_same_byte_by_byte():
    assert parsed(bytes([byte]) for byte in STREAM) == EVENTS


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    ending=st.sampled_from(["\n", "\r", "\r\n"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_whatever_is_said_arrives_however_it_is_cut(texts, ending, cuts):
    stream = "".join(f"data: {text}{ending}{ending}" for text in texts).encode()
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert parsed(pieces) == [Event(text) for text in texts]


@given(st.binary(max_size=300))
def test_noise_is_never_an_error(noise):
    assert parsed([noise, b"\n\n"]) == parsed([*(bytes([b]) for b in noise), b"\n\n"])


def test_a_last_event_without_its_empty_line_is_completed_by_one():
    assert parsed([b"data: [DONE]"]) == []
    assert parsed([b"data: [DONE]", b"\n\n"]) == [Event("[DONE]")]


@pytest.mark.parametrize("line", [b"x" * 4096, b"data: " + b"x" * 4096 + b"\n"])
def test_an_endless_event_is_refused(line):
    with pytest.raises(ValueError, match="more than"):
        parsed([line] * (MAX_EVENT // 4096 + 1))
