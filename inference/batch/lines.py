"""A file of requests, as OpenAI's batch format has them, read before any of it is asked. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.errors import RequestError
from domain.usage import Api
from inference.gateway.asked import PATHS, Asked, BadRequest, json_object

MOST_BYTES, MOST_LINES = 20_000_000, 10_000
"""Of one file."""

LONGEST_ID = 512
"""Characters of a `custom_id`."""

DEEPEST = 500
"""Levels of a body. Close to what can be read at all it could still not be passed on."""

TOLD = 5
"""Lines of which is told what is wrong with them."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = ("custom_id", "method", "url", "body")
_HINT = "put it right and send the file again; nothing was asked"


class BadFile(RequestError):
    """The file cannot be asked as it is. The summary holds nothing of what stands in it."""

    def __init__(self, summary: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(summary, hint=_HINT)
        self.problems = problems
        """What is wrong with the first few lines, each with its number."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a file."""

    number: int
    """Of the line in the file, from 1 on; blank ones count."""
    custom_id: str
    """What the file calls it; no other line has the same."""
    api: Api
    body: bytes
    """JSON, without a model: who is asked is said for the whole file."""

    @property
    def fingerprint(self) -> str:
        """The same for the same request: what was answered is not asked again."""
        told = f"{self.custom_id}\0{self.api}\0".encode() + self.body
        return hashlib.blake2b(told, digest_size=12).hexdigest()

    def asked(self, name: str) -> Asked:
        """The request, put to that name."""
        body = {"model": name, **json.loads(self.body)}
        raw = json.dumps(body, separators=(",", ":")).encode()
        return Asked(self.api, name, body, raw, stream=False, wants_usage=False)


def read_lines(data: bytes) -> tuple[Line, ...]:
    """Read a whole file: JSON Lines in UTF-8, with or without a byte order mark, ended by LF or
    CRLF; blank lines are passed over. Raises BadFile, before anything of it counts.
    """
    if len(data) > MOST_BYTES:
        raise too_large()
    found: list[Line] = []
    problems: list[str] = []
    first: dict[str, int] = {}
    for number, raw in _numbered(data):
        if len(found) + len(problems) == MOST_LINES:
            raise BadFile(f"the file has more than {MOST_LINES:,} lines; send it in parts")
        try:
            line = _line(number, raw)
            if line.custom_id in first:
                raise BadRequest(f"it has the same `custom_id` as line {first[line.custom_id]}")
        except BadRequest as error:
            problems.append(f"line {number}: {error}")
        else:
            first[line.custom_id] = number
            found.append(line)
    if problems:
        raise _bad(problems, len(found) + len(problems))
    if not found:
        raise BadFile("the file is empty")
    return tuple(found)


def too_large() -> BadFile:
    """Say how large a file may be."""
    return BadFile(f"the file has more than {MOST_BYTES / 1e6:g} MB; send it in parts")


def _bad(problems: list[str], count: int) -> BadFile:
    shown = problems[:TOLD]
    if len(problems) > TOLD:
        shown.append(f"and {len(problems) - TOLD:,} more")
    wrong = "1 line" if len(problems) == 1 else f"{len(problems):,} lines"
    return BadFile(f"{wrong} of {count:,} cannot be asked", tuple(shown))


def _numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if raw.strip():
            yield number, raw.removesuffix(b"\r")


def _line(number: int, raw: bytes) -> Line:
    try:
        told = json_object(raw, "line")
    except BadRequest as error:
        raise BadRequest(error.summary.replace(": line 1 column", " at column")) from None
    for field in _FIELDS:
        if field not in told:
            raise BadRequest(f"`{field}` is missing")
    if told["method"] != "POST":
        raise BadRequest('`method` has to be "POST"')
    return Line(number, _custom_id(told["custom_id"]), _api(told["url"]), _body(told["body"]))


def _custom_id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest("`custom_id` has to be a text")
    if len(value) > LONGEST_ID or not value.isprintable():
        raise BadRequest(f"`custom_id` has to be printable, of at most {LONGEST_ID} characters")
    return value


def _api(value: Any) -> Api:
    if not isinstance(value, str) or value not in PATHS:
        raise BadRequest(f"`url` has to be one of {', '.join(PATHS)}")
    return PATHS[value]


def _body(value: Any) -> bytes:
    """What is asked. Who answers is said with the command, and it comes whole."""
    if not isinstance(value, dict):
        raise BadRequest("`body` has to be an object")
    if value.get("stream") not in (None, False):
        raise BadRequest("`stream` has no place in a batch: answers come whole")
    if "backend" in value or "_backend" in value:
        raise BadRequest("`backend` has no place in a batch: the command says who is asked")
    if _depth(value) > DEEPEST:
        raise BadRequest("the line is nested too deeply")
    body = {name: each for name, each in value.items() if name != "model"}
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise BadRequest("a number in it is larger than numbers may be") from None


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        depth, level = depth + 1, [each for one in inside for each in one]
    return depth
