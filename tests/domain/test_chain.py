"""A chain that was touched is found out; one that was not is not."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import Kind, Record
from domain.chain import SHORT, START, Entry, digest, verify

AT = datetime(2026, 1, 1, tzinfo=UTC)

records = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    at=st.integers(0, 10**6).map(lambda seconds: AT + timedelta(seconds=seconds, microseconds=7)),
    mxid=st.text(),
    room=st.text(),
    verb=st.text(max_size=10),
    outcome=st.sampled_from(("succeeded", "denied")),
    notable=st.booleans(),
    arguments=st.text(),
    event=st.none() | st.text(min_size=1),
    targets=st.lists(st.text(), max_size=3).map(tuple),
    why=st.text(),
    seconds=st.none() | st.floats(0, 1e6).map(lambda seconds: round(seconds, 3)),
)


def linked(said):
    entries, head = [], START
    for record in said:
        entries.append(Entry.after(head, record))
        head = entries[-1].head
    return entries


chains = st.lists(records, min_size=2, max_size=6).map(linked)


def record(**more):
    base = Record(Kind.OPERATION, AT, "@ann:x", "!ops:x", "ping", "succeeded", notable=False)
    return replace(base, **more)


@given(chains)
def test_what_was_not_touched_verifies_and_reads_back(entries):
    assert verify(entries) is None
    assert verify([Entry.of_line(entry.line) for entry in entries]) is None
    for entry in entries:
        assert Entry.of_line(entry.line) == entry
        assert linked([entry.record])[0].record == entry.record


@given(chains, st.data())
def test_any_record_that_is_changed_is_named(entries, data):
    at = data.draw(st.integers(0, len(entries) - 1))
    values = json.loads(entries[at].text)
    key = data.draw(st.sampled_from(sorted(values.keys() - {"sequence"})))
    values[key] = [values[key], "changed"]
    changed = replace(entries[at], text=json.dumps(values))
    broken = verify([*entries[:at], changed, *entries[at + 1 :]])
    assert broken.startswith(f"record {at + 1} was changed")


@given(chains, st.data())
def test_a_record_that_was_changed_with_its_hash_is_betrayed_by_the_next(entries, data):
    at = data.draw(st.integers(0, len(entries) - 2))
    before = entries[at - 1].head if at else START
    forged = Entry.after(before, replace(entries[at].record, mxid="@somebody:else"))
    if forged != entries[at]:
        broken = verify([*entries[:at], forged, *entries[at + 1 :]])
        assert broken.startswith(f"record {at + 2} does not follow: record {at + 1}")


@given(chains, st.data())
def test_any_record_that_is_taken_out_is_missed(entries, data):
    at = data.draw(st.integers(0, len(entries) - 2))
    left = entries[:at] + entries[at + 1 :]
    assert verify(left) == f"record {at + 1} is missing before record {at + 2}"
    renumbered = [replace(entry, sequence=number) for number, entry in enumerate(left, 1)]
    assert verify(renumbered).startswith(f"record {at + 1} was changed")


@given(chains, st.data())
def test_any_two_that_change_places_are_found(entries, data):
    numbers = st.integers(0, len(entries) - 1)
    one, other = sorted(data.draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    swapped = list(entries)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert "missing before" in verify(swapped)
    renumbered = [replace(entry, sequence=number) for number, entry in enumerate(swapped, 1)]
    assert verify(renumbered).startswith(f"record {one + 1} was changed")


def test_several_that_are_missing_are_counted_and_one_that_comes_twice_is_told():
    entries = linked([record()] * 5)
    assert verify(entries[3:]) == "records 1 to 3 are missing before record 4"
    assert verify(entries[1:]) == "record 1 is missing before record 2"
    assert "record 2 stands after record 2" in verify(
        [entries[0], entries[1], entries[1], entries[2]]
    )
    assert "what came before was written anew" in verify(
        [Entry.after(replace(START, hash="f" * 64), record())]
    )


def test_a_shorter_or_a_new_chain_is_only_found_by_a_head_kept_elsewhere():
    entries = linked([record(), record(verb="status"), record()])
    known = entries[-1].head.short
    assert len(known) == SHORT
    assert verify(entries[:2]) is None
    assert verify(entries, known) is None
    assert verify(entries, entries[0].hash) is None
    anew = linked([record(), record(verb="stop"), record()])
    for chain in (entries[:2], anew, []):
        assert f"no record has the hash {known}" in verify(chain, known)


def test_what_decides_who_sees_it_cannot_be_changed_either():
    (entry,) = linked([record(notable=True)])
    assert "was changed" in verify([replace(entry, notable=False)])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', "{}", '{"sequence":1}'])
def test_what_never_was_a_record_is_a_break_and_no_crash(text):
    forged = Entry(1, START.hash, digest(START.hash, text), False, text)
    assert "record 1 was changed" in verify([forged])
    with pytest.raises(ValueError, match=r".+"):
        _ = forged.record


@pytest.mark.parametrize(
    "line",
    ["", "{", "null", "[]", "[" * 100_000, '{"hash":"a"}', '{"hash":1,"previous":2,"sequence":3}'],
)
def test_a_line_that_is_no_record_is_refused(line):
    with pytest.raises(ValueError, match=r".+"):
        Entry.of_line(line)


def test_what_no_database_keeps_is_mended_before_it_is_hashed():
    entries = linked([record(why="\ud800", arguments="\0")])
    assert verify(entries) is None
    assert (entries[0].record.why, entries[0].record.arguments) == ("?", "\0")
    assert "\0" not in entries[0].text


def test_a_half_of_a_character_is_a_break_and_no_crash():
    (entry,) = linked([record()])
    line = entry.line.replace("ping", "\\ud800")
    assert "was changed" in verify([Entry.of_line(line)])


def test_the_hash_is_what_the_documentation_says():
    """Somebody else's program must be able to compute it."""
    entries = linked([record(arguments="größer"), record(why="x")])
    assert entries[0].text == (
        '{"arguments":"größer","at":"2026-01-01T00:00:00.000000Z","kind":"operation",'
        '"mxid":"@ann:x","notable":false,"outcome":"succeeded","room":"!ops:x","sequence":1,'
        '"verb":"ping"}'
    )
    # (printf '%064d\\n' 0; printf %s "$text") | sha256sum
    assert entries[0].hash == "05feff8bcea22a5475df510f399aa96bb48a3018dab2352e673c964fc3081462"
    assert entries[1].previous == entries[0].hash
