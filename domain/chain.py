"""The chain the audit's records hang on: each carries the hash of the one before. Pure.

What an unbroken chain proves: no record was changed, left out or put elsewhere since it was
written, unless everything after it was written anew. What it does not prove: whoever can write the
whole database can compute a new chain, and taking records off its end leaves a good, shorter one.
Against both helps a head that was kept elsewhere: in a room, an export, a notebook. A chain that
holds the hash of that head is the same up to there.

A record's hash is SHA-256 (FIPS 180-4) over the hash before it in hexadecimal, a newline, and the
record's text in UTF-8, where the first record follows 64 zeros.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from domain.audit import Record, canonical


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record of a chain."""

    sequence: int
    hash: str

    @property
    def short(self) -> str:
        """Enough of the hash to know it again, and for `gantry audit verify --head`."""
        return self.hash[:SHORT]


SHORT = 16
START = Head(0, "0" * 64)
"""What the first record follows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record in its place."""

    sequence: int
    """From 1, without gaps."""
    previous: str
    hash: str
    notable: bool
    """As the record has it, for those who filter."""
    text: str
    """The record with its sequence, as it was hashed."""

    @classmethod
    def after(cls, head: Head, record: Record) -> Self:
        """The entry that puts a record behind the newest one."""
        sequence = head.sequence + 1
        text = canonical(record.values | {"sequence": sequence})
        return cls(sequence, head.hash, digest(head.hash, text), record.notable, text)

    @property
    def head(self) -> Head:
        """This entry as the newest one."""
        return Head(self.sequence, self.hash)

    @property
    def record(self) -> Record:
        """What it says. Raises ValueError for what is no record."""
        try:
            return Record.of_values(json.loads(self.text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("it is no record") from error

    @property
    def intact(self) -> bool:
        """Whether it says what its hash was made from."""
        try:
            made, said = digest(self.previous, self.text), json.loads(self.text)
            place = (said["sequence"], said["notable"])
        except (ValueError, KeyError, TypeError):  # what was never written by a bot
            return False
        return made == self.hash and place == (self.sequence, self.notable)

    @property
    def line(self) -> str:
        """As an export has it: the record's fields with its sequence and both hashes."""
        said: dict[str, Any] = json.loads(self.text)
        return canonical(said | {"previous": self.previous, "hash": self.hash})

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Read a line of an export. Raises ValueError for what is none."""
        try:
            said = json.loads(line)
            previous, hash_ = said.pop("previous"), said.pop("hash")
            Record.of_values(said)
            sequence, notable = said["sequence"], said["notable"]
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("it is no record of an export") from error
        if not isinstance(sequence, int) or not isinstance(hash_, str):
            raise ValueError("it is no record of an export")
        return cls(sequence, str(previous), hash_, bool(notable), canonical(said))


class Chain:
    """Follows a chain from its start, entry by entry, however long it is."""

    def __init__(self, known: str | None = None) -> None:
        self.head = START
        """The entry followed last."""
        self._known = known
        """A hash, or its first digits, that was kept elsewhere and must be met."""

    def follow(self, entry: Entry) -> str | None:
        """What is wrong with the next entry, in a sentence; None when nothing is."""
        flaw = self._flaw(entry)
        self.head = entry.head
        if self._known is not None and entry.hash.startswith(self._known):
            self._known = None
        return flaw

    def end(self) -> str | None:
        """What is wrong once there are no more entries; None when nothing is."""
        if self._known is None:
            return None
        return (
            f"no record has the hash {self._known}: the end of the chain was taken off, or all of "
            "it was written anew"
        )

    def _flaw(self, entry: Entry) -> str | None:
        last, number = self.head.sequence, entry.sequence
        if number <= last:
            return f"record {number} stands after record {last}: the order was changed"
        if number > last + 1:
            gone = f"record {last + 1} is" if number == last + 2 else _several(last + 1, number - 1)
            return f"{gone} missing before record {number}"
        if not entry.intact:
            return f"record {number} was changed: its hash is not that of what it says"
        if entry.previous != self.head.hash:
            before = f"record {last}, or some before it, was" if last else "what came before was"
            return f"record {number} does not follow: {before} written anew"
        return None


def verify(entries: Iterable[Entry], known: str | None = None) -> str | None:
    """The first break in a whole chain, in a sentence; None when there is none."""
    chain = Chain(known)
    for entry in entries:
        if flaw := chain.follow(entry):
            return flaw
    return chain.end()


def digest(previous: str, text: str) -> str:
    """The hash of a record that follows another, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _several(first: int, last: int) -> str:
    return f"records {first} to {last} are"
