"""What the Messages API sends, read into values. It sends more: unknown keys are passed over."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

READ = frozenset({"text", "thinking", "tool_use"})
"""Types of blocks that OpenAI has a place for."""


class Spent(BaseModel, frozen=True):
    """Tokens of an answer by what they were spent on."""

    thinking_tokens: int | None = None


class Usage(BaseModel, frozen=True):
    """Tokens, counted in all so far. Those of a prompt are told in three parts."""

    input_tokens: int | None = None
    """What was read anew; what came from the cache or went there is not among it."""
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: Spent | None = None

    def followed_by(self, later: Usage) -> Usage:
        """The two as one: what is counted later replaces what was counted before."""
        told = {name: count for name, count in later if count is not None}
        return self.model_copy(update=told)


class Block(BaseModel, frozen=True):
    """A part of an answer, of whatever type; each has the fields of its own type."""

    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_a_type_that_is_read(cls, found: Any) -> Any:
        """Of a block that is passed over nothing is looked at, so nothing in it can be wrong."""
        passed_over = isinstance(found, dict) and found.get("type") not in READ
        return {"type": str(found.get("type"))} if passed_over else found


class StopDetails(BaseModel, frozen=True):
    """More about an end, for refusals only."""

    explanation: str | None = None


class Ending(BaseModel, frozen=True):
    """Why an answer ended."""

    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class Message(Ending, frozen=True):
    """A whole answer, or what is known of one that begins."""

    id: str
    model: str
    content: tuple[Block, ...] = ()
    usage: Usage = Usage()


class Delta(BaseModel, frozen=True):
    """What an event adds to a block."""

    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    """The next few characters of a tool's input."""


class Problem(BaseModel, frozen=True):
    """What went wrong, in the API's words."""

    type: str = ""
    message: str = ""


class MessageStart(BaseModel, frozen=True):
    """The first event of an answer."""

    message: Message


class BlockStart(BaseModel, frozen=True):
    """A block begins, empty as a rule."""

    index: int
    content_block: Block


class BlockDelta(BaseModel, frozen=True):
    """A block goes on."""

    index: int
    delta: Delta


class BlockStop(BaseModel, frozen=True):
    """A block has ended."""

    index: int


class MessageDelta(BaseModel, frozen=True):
    """The answer as a whole has come further, as a rule to its end."""

    delta: Ending
    usage: Usage = Usage()


class Failed(BaseModel, frozen=True):
    """No answer, or no more of it."""

    error: Problem
