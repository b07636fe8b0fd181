"""What OpenAI-compatible servers send, read into values, and their errors put into words. Pure.

Their answers hold far more than is read here, so unknown keys are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from domain.errors import Refused, TargetError, Unreachable
from inference.sse import Event

DONE = Event("[DONE]")
"""The last event of a complete stream."""

_RETRYABLE = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Tokens:
    """The `usage` of a completion."""

    prompt_tokens: int
    completion_tokens: int


class Timings(BaseModel, frozen=True):
    """What llama.cpp says of its own speed, in the last chunk."""

    predicted_per_second: float | None = None
    """Tokens of the answer a second, as the engine made them."""


class Delta(BaseModel, frozen=True):
    """What one chunk adds to an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    """What a reasoning model says to itself first: a sign of life, no part of the answer."""


class Choice(BaseModel, frozen=True):
    """One of the answers asked for; Gantry asks for one."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Chunk(BaseModel, frozen=True):
    """One event of a streamed chat completion."""

    choices: tuple[Choice, ...] = ()
    usage: Tokens | None = None
    timings: Timings | None = None
    error: Any = None

    @property
    def text(self) -> str:
        """What it adds to the answer, often nothing: the first chunk tells only the role."""
        return self.choices[0].delta.content or "" if self.choices else ""

    @property
    def finish_reason(self) -> str | None:
        """`stop` or `length` in the chunk that ends the answer."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def produced(self) -> bool:
        """True if the model itself has moved on, not only the server around it."""
        thought = self.choices[0].delta.reasoning_content if self.choices else None
        return bool(self.text or thought or self.finish_reason or self.usage)


class Completed(BaseModel, frozen=True):
    """A text that was gone on with."""

    text: str = ""
    finish_reason: str | None = None


class Completion(BaseModel, frozen=True):
    """The answer to `/v1/completions`."""

    choices: tuple[Completed, ...]
    usage: Tokens | None = None

    @property
    def produced(self) -> bool:
        """Whether there is a token in it: read, counted, or cut off after it."""
        counted = self.usage is not None and self.usage.completion_tokens > 0
        return counted or any(each.text or each.finish_reason == "length" for each in self.choices)


class Model(BaseModel, frozen=True):
    """A model that a server lists."""

    id: str
    aliases: tuple[str, ...] = ()


class Listing(BaseModel, frozen=True):
    """The answer to `/v1/models`."""

    data: tuple[Model, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Each model once, as the server lists them."""
        return tuple(dict.fromkeys(model.id for model in self.data))

    @property
    def names(self) -> frozenset[str]:
        """Everything a model on this server may be called."""
        return frozenset(name for model in self.data for name in (model.id, *model.aliases))


def read_chunk(event: Event) -> Chunk:
    """Read one event of a stream.

    Raises Unreachable or Refused for an error the server sends in place of more answer, and
    ValueError for anything that is no chunk.
    """
    if event.kind == "error":
        raise rejection(500, event.data)
    chunk = Chunk.model_validate_json(event.data)
    if chunk.error is not None:
        raise rejection(500, event.data)
    return chunk


def error_body(
    message: str, kind: str, code: str | int | None = None, param: str | None = None
) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def status_within(body: str, status: int) -> int:
    """The status that an error names itself, where it was sent too late for one of HTTP's; else
    the one given."""
    code = _problem(body).code
    return code if isinstance(code, int) and 400 <= code < 600 else status


def rejection(status: int, body: str) -> TargetError:
    """An HTTP status and error body as Unreachable (another replica may do) or Refused.

    A code inside the body goes before the status, which a stream has spent on 200.
    """
    problem, status = _problem(body), status_within(body, status)
    if problem.n_prompt_tokens and problem.n_ctx:
        return Refused(
            f"the prompt is {problem.n_prompt_tokens} tokens, this model holds {problem.n_ctx}",
            hint="shorten the prompt, or deploy the service again with a larger --ctx",
        )
    words = " ".join(problem.message.split())[:200]
    said = f"{status}: {words}" if words else f"{status} without a word"
    if status >= 500 or status in _RETRYABLE:
        return Unreachable(f"the model server answered {said}", hint="try again in a moment")
    return Refused(f"the model server refused with {said}")


class _Problem(BaseModel, frozen=True):
    message: str = ""
    code: int | str | None = None
    n_prompt_tokens: int | None = None
    """With `n_ctx`, in llama.cpp's `exceed_context_size_error`."""
    n_ctx: int | None = None


class _ErrorBody(BaseModel, frozen=True):
    error: _Problem | str


def _problem(body: str) -> _Problem:
    try:
        error = _ErrorBody.model_validate_json(body).error
    except ValidationError:
        return _Problem(message="" if "<html" in body.lower() else body)
    return _Problem(message=error) if isinstance(error, str) else error
