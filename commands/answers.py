"""Answers of models, one or several side by side, and how they are told. Does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commands.replies import Block, Reply, Verbatim, duration
from domain.errors import OpsError
from domain.progress import Growing, Progress
from domain.quotas import told as amount
from domain.tariffs import Tariff
from inference.asking import Answer, Piece

ANSWERING = "answering"
"""The step of progress whose text is the answer so far."""


@dataclass
class Heard:
    """One answer, as far as it was heard."""

    name: str
    """Who was asked."""
    said: str = ""
    answer: Answer | None = None
    """How it ended; None while it goes on, and where it came to nothing."""
    error: OpsError | None = None
    """Why it came to nothing, or not to its end."""
    waiting: str = ""
    """What is waited for before the first word."""

    def take(self, part: Piece | Answer) -> None:
        """Hear the next of it."""
        if isinstance(part, Answer):
            self.answer = part
        else:
            self.said += part.text

    @property
    def words(self) -> str:
        """What was said, without the blanks around it."""
        return self.said.strip()

    @property
    def waits(self) -> bool:
        """Whether nobody is ready yet to say a first word."""
        return bool(self.waiting) and not (self.said or self.answer or self.error)

    def told(self, tariff: Tariff) -> tuple[Block, ...]:
        """How it ended, for the room."""
        if self.error is not None:
            words = (Verbatim(self.words),) if self.words else ()
            return (*words, *Reply.failed("", self.error).blocks)
        return (Verbatim(self.words or "(it said nothing)"), self.note(tariff))

    def note(self, tariff: Tariff) -> str:
        """What there is to say in place of words, or below them; "" while they come."""
        if self.error is not None:
            return Reply.failed("", self.error).summary
        if self.waits:
            return self.waiting
        return _how(self.answer, self.name, tariff) if self.answer else ""


def reply(heard: Sequence[Heard], tariff: Tariff) -> Reply:
    """How it ended: the answers in the order they were asked for, each under its name, if there
    are several. It worked if anybody answered."""
    error = next((each.error for each in heard if each.error), None)
    if len(heard) == 1:
        blocks = heard[0].told(tariff)
    else:
        blocks = tuple(b for each in heard for b in (f"`{each.name}`", *each.told(tariff)))
    worked = any(each.answer for each in heard)
    return Reply(worked, blocks, error=None if worked else error)


def so_far(heard: Sequence[Heard], tariff: Tariff) -> Progress:
    """How far they got."""
    if len(heard) == 1:
        one = heard[0]
        return Progress(ANSWERING if one.said else one.waiting or ANSWERING, text=one.said)
    growing = (Growing(each.name, each.said, each.note(tariff), waits=each.waits) for each in heard)
    return Progress(ANSWERING, answers=tuple(growing))


def stopped(failure: Reply, news: Progress | None) -> Reply:
    """How it ended where somebody stopped it: the words so far stay. `failure` says who did, and is
    all there is to say where nothing had been said."""
    if news is None or news.step != ANSWERING or failure.error is None:
        return failure
    why = f"— stopped, {failure.error.summary}"
    if not news.answers:
        return replace(failure, blocks=(Verbatim(news.text.strip()), why))
    blocks = [b for each in news.answers for b in (f"`{each.name}`", *_halfway(each, why))]
    return replace(failure, blocks=tuple(blocks))


def _halfway(each: Growing, why: str) -> tuple[Block, ...]:
    note = why if each.waits else each.note or why
    return (Verbatim(each.text.strip()), note) if each.text.strip() else (note,)


def _short(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds * 1000:.0f} ms"


def _how(answer: Answer, asked: str, tariff: Tariff) -> str:
    told = [
        f"— `{answer.replica}`",
        f"{answer.completion_tokens} tokens",
        f"first after {_short(answer.first_token)}",
    ]
    if answer.tokens_per_second is not None:
        told.append(f"{answer.tokens_per_second:.0f} tokens/s")
    if cost := tariff.price(
        answer.replica.service, asked, answer.prompt_tokens, answer.completion_tokens
    ):
        told.append(f"{amount(cost)} {tariff.currency}".strip())
    if answer.finish_reason == "length":
        told.append("cut at its limit; `--max-tokens` raises it")
    return " · ".join(told)
