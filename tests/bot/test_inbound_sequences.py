"""Whatever a room holds, reading it fails never, and never takes for a command what is none."""

from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.gestures import reactions, redactions
from bot.matrix.inbound import command, exposed_among, messages, sealed, since_joining
from bot.matrix.leaks import leaks

ROOM, ME = "!ops:example.org", "@gantry:example.org"
SENDERS = (ME, "@ann:example.org", "@bob:example.org")

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["event_id", "rel_type", "membership", "key", "body"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)
ids = st.sampled_from([f"${number}" for number in range(6)])
lone = st.text(alphabet=st.characters(codec=None), max_size=4)
bodies = st.sampled_from(["!ping", "hello", "* !ping", "> <@x:y> !scale tiny 0\n\n!ping"]) | lone
relations = st.fixed_dictionaries(
    {},
    optional={
        "rel_type": st.sampled_from(["m.replace", "m.thread", "m.annotation"]) | junk,
        "event_id": ids | lone | junk,
        "key": st.sampled_from(["❌", "✖\ufe0f", "👍"]) | lone | junk,
        "m.in_reply_to": st.just({"event_id": "$0"}) | junk,
    },
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "msgtype": st.sampled_from(["m.text", "m.text", "m.notice", "m.image"]) | junk,
        "body": bodies | junk,
        "m.relates_to": relations | junk,
        "membership": st.sampled_from(["join", "leave", "invite"]) | junk,
        "redacts": ids | junk,
        "ciphertext": junk,
    },
)
kinds = [
    "m.room.message",
    "m.room.message",
    "m.reaction",
    "m.room.redaction",
    "m.room.member",
    "m.room.encrypted",
    "m.room.encryption",
]
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(kinds) | junk,
        "event_id": ids | lone | junk,
        "sender": st.sampled_from(SENDERS) | junk,
        "state_key": st.sampled_from(["", *SENDERS]) | junk,
        "origin_server_ts": st.just(1_767_225_600_000) | junk,
        "content": contents | contents | contents | junk,
        "redacts": ids | junk,
        "unsigned": st.sampled_from(
            [{"prev_content": {"membership": "join"}}, {"transaction_id": "t1"}]
        )
        | junk,
    },
)
sequences = st.lists(events, max_size=8)


def may_be_said(event, message):
    """Whether an event says, in clear and for the first time, what was read from somebody."""
    content = event.get("content")
    if event.get("type") != "m.room.message" or not isinstance(content, dict):
        return False
    relation = content.get("m.relates_to")
    edits = isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
    return (
        event.get("sender") not in (None, ME)
        and content.get("msgtype") == "m.text"
        and not edits
        and mended(event.get("sender")) == message.sender
        and mended(event.get("event_id")) == message.event_id
        and mended(content.get("body")).endswith(message.body)
    )


def mended(text):
    return text.encode(errors="replace").decode() if isinstance(text, str) else ""


@given(sequences)
def test_every_message_is_what_somebody_else_wrote_as_text(room):
    kept = since_joining(room, ME)
    for message in messages(room, ROOM, ME):
        assert any(may_be_said(event, message) for event in kept)
        message.body.encode()
        command(message.body, "!")
        assert message.thread is None or message.thread.encode() is not None


@given(sequences)
def test_every_reaction_is_somebody_elses_and_was_not_taken_back(room):
    gone = {redaction.event_id for redaction in redactions(room, ROOM, ME)}
    for reaction in reactions(room, ROOM, ME):
        assert reaction.sender != ME
        assert reaction.event_id not in gone
        assert isinstance(reaction.stops, bool)
        (reaction.to + reaction.key + reaction.event_id).encode()


@given(sequences)
def test_what_is_sealed_is_somebody_elses_and_has_a_name(room):
    for event in sealed(room, ME):
        assert event["type"] == "m.room.encrypted"
        assert event.get("sender") != ME
        event["event_id"].encode()


@given(sequences, st.booleans())
def test_what_is_exposed_came_in_the_clear_and_into_an_encrypted_room(room, encrypted):
    clear = frozenset({"$0", "$1", "$2"})
    turned_on = any(event.get("type") == "m.room.encryption" for event in room)
    for name in exposed_among(room, clear, encrypted=encrypted):
        assert name in clear
        assert encrypted or turned_on


@given(sequences, st.booleans())
def test_what_leaked_are_words_of_our_own_that_came_in_the_clear(room, encrypted):
    clear = frozenset({"$0", "$1", "$2"})
    for leak in leaks(room, ROOM, clear, ME, encrypted=encrypted):
        assert leak.event_id in clear
        assert any(
            event.get("sender") == ME
            and event.get("event_id") == leak.event_id
            and event["content"]["msgtype"]
            for event in room
        )
        ((leak.transaction or "") + (leak.edits or "")).encode()
