"""What became of one request to a model: who asked, who answered, what it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Api = Literal["chat", "completions", "embeddings", "responses"]
"""Which of OpenAI's calls was made."""


class Fault(StrEnum):
    """Why a request came to nothing, or not to its end."""

    REFUSED = "refused"
    """By the backend, for what was asked: a 4xx that another one would give as well."""
    UNREACHABLE = "unreachable"
    """Nobody took the connection, or it was lost."""
    SILENT = "silent"
    """No first token in time, or no next one."""
    FAILED = "failed"
    """The backend answered with a 5xx, or with what is no answer."""
    BUSY = "busy"
    """429, or 503 with when to ask again, from every backend that could be asked, or nobody ready
    in time."""
    CUT_OFF = "cut off"
    """After words had come: nobody else may go on with them."""
    GONE = "gone"
    """Whoever asked went away first."""


@dataclass(frozen=True, slots=True)
class Served:
    """One request that has ended, however it ended. Told once for each."""

    at: datetime
    """When it came in."""
    key: str | None
    """The id of the API key it came with; None for what is asked in a room."""
    owner: str
    """Whose it was: a Matrix id, a room, or the name of an app."""
    model: str
    """The service, backend or route that was asked for. Only names that there are."""
    api: Api
    backend: str
    """The service or backend that answered, or was asked last; "" when nobody was."""
    replica: str
    """Which replica of it; "" for none."""
    target: str
    """Where that runs; "" for what is not ours."""
    streamed: bool
    status: int
    """The HTTP status that was told; 499, as nginx has it, when nobody was left to be told."""
    fault: Fault | None
    """None for an answer that came whole."""
    prompt_tokens: int | None
    """None where nobody counted."""
    completion_tokens: int | None
    estimated: bool
    """Whether the tokens were counted here, by the pieces that came, since the backend does not."""
    first_token: float | None
    """Seconds from asking to the first content; None where none came."""
    seconds: float
    """From asking to the end of the answer."""
    attempts: int
    """Backends that were asked, the one that answered included."""
