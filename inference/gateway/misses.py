"""How an attempt can come to nothing, and whether somebody else may do better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from domain.errors import Refused, TargetError, Unreachable
from domain.usage import Fault
from inference.patience import Patience
from inference.retry_after import Later, later
from inference.wire import rejection

BUSY = frozenset({408, 425, 429})
"""Statuses that say: not now, or not here."""

LATER = frozenset({429, 503})
"""Those that may say when. A 503 that does says no more than a 429: it is well, and full."""

_ASKED_TOO_MUCH = b"input is not supported"
"""What llama.cpp says with a 500 of pictures and sounds that the model cannot take."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer as it can be given to the client."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Missed(Unreachable):
    """Before any content: another endpoint may do better."""

    def __init__(
        self,
        summary: str,
        fault: Fault,
        *,
        answer: Whole | None = None,
        certain: bool = False,
        lost: bool = False,
        again: Later | None = None,
        usage: bool = False,
    ) -> None:
        super().__init__(summary, hint="try again in a moment")
        self.fault = fault
        self.answer = answer
        """What the backend said, if it said anything."""
        self.certain = certain
        """Whether nobody is there at all."""
        self.lost = lost
        """Whether the connection went before anything came: a used one may have been closed while
        it lay idle."""
        self.again = again
        """When it wants to be asked again, if it said so."""
        self.usage = usage
        """Whether it was only that a stream cannot tell its usage there."""

    @property
    def why(self) -> str:
        """The same without the backend's own words, which may quote what it was asked: who reads
        why a backend is left alone need not be who asked."""
        return self.summary if self.answer is None else f"it answered {self.answer.status}"


class Rejected(Refused):
    """A clear no, for what was asked: nobody else would say anything else."""

    def __init__(self, summary: str, hint: str, answer: Whole) -> None:
        super().__init__(summary, hint)
        self.answer = answer


class CutOff(TargetError):
    """After content: nobody else can go on with it."""

    def __init__(self, why: str, fault: Fault, *, told: bool = False) -> None:
        super().__init__(f"the answer was cut off: {why}", hint="ask again")
        self.why = why
        self.fault = fault
        self.told = told
        """Whether the backend's own words about it were passed on already."""


def turned_down(answer: Whole, *, ours: bool) -> Missed | Rejected:
    """What an answer with a status other than 200 amounts to.

    A backend that does not take the key it was shown says nothing about the client's: that is a
    fault of the configuration, and told as one. Its own words are not: some quote the key.
    """
    if answer.status in (401, 403) and not ours:
        why = f"the model server refused with {answer.status}"
        return Missed(f"{why}; check the key that is configured for it", Fault.REFUSED)
    said = rejection(answer.status, answer.body.decode(errors="replace"))
    again = later(answer.headers) if answer.status in LATER else None
    if answer.status in BUSY or again is not None:
        return Missed(said.summary, Fault.BUSY, answer=answer, again=again)
    if answer.status >= 500 and _ASKED_TOO_MUCH in answer.body:  # another model may take it
        return Missed(said.summary, Fault.REFUSED, answer=answer)
    if answer.status >= 500 or answer.status < 400 or isinstance(said, Unreachable):
        return Missed(said.summary, Fault.FAILED, answer=answer)
    return Rejected(said.summary, said.hint, answer)


@contextmanager
def in_words(patience: Patience, begun: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Say what goes wrong with a connection as a Missed; as CutOff once content has `begun`."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
        miss = _missed(error, patience)
        raise CutOff(miss.summary, miss.fault) if begun() else miss from error


def _missed(error: Exception, patience: Patience) -> Missed:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Missed("no connection in time", Fault.UNREACHABLE, certain=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Missed("it takes no connections", Fault.UNREACHABLE, certain=True)
    if isinstance(error, TimeoutError):
        return Missed(patience.why or "it fell silent", Fault.SILENT)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Missed("the connection was lost", Fault.UNREACHABLE)
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return Missed("the connection was lost", Fault.UNREACHABLE, lost=True)
    return Missed("what it sent is no answer", Fault.FAILED)
