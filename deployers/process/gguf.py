"""The first few facts of a GGUF file, read from its header alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"GGUF"

_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_LONGEST_KEY = 65_535
_LONGEST_TEXT = 1 << 26
_MOST_KEYS = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """What a model says of itself."""

    architecture: str | None = None
    context: int | None = None
    """Tokens it was trained to hold."""


def read_header(file: BinaryIO) -> Header:
    """Read up to the trained context length, or to the end of the header where it is absent.

    Raises ValueError for a file that is not GGUF or ends in the middle of its header.
    """
    if file.read(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version = _number(file, "I")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version} is not known")
    _number(file, "Q")  # how many tensors
    architecture: str | None = None
    contexts: dict[str, int] = {}
    for _ in range(min(_number(file, "Q"), _MOST_KEYS)):
        key = _text(file, _LONGEST_KEY)
        value = _value(file, _number(file, "I"))
        if key == "general.architecture" and isinstance(value, str):
            architecture = value
        elif key.endswith(".context_length") and isinstance(value, int):
            contexts[key] = value
        if f"{architecture}.context_length" in contexts:
            break
    return Header(architecture, contexts.get(f"{architecture}.context_length"))


def _value(file: BinaryIO, kind: int) -> str | int | float | None:
    if kind == _STRING:
        return _text(file, _LONGEST_TEXT)
    if kind == _ARRAY:
        _skip_array(file)
        return None
    return _number(file, _scalar(kind))


def _skip_array(file: BinaryIO) -> None:
    kind, count = _number(file, "I"), _number(file, "Q")
    if kind in _SCALARS:
        _exactly(file, struct.calcsize(_SCALARS[kind]) * count)
        return
    for _ in range(count):
        _value(file, kind)


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"value type {kind} is not known")
    return _SCALARS[kind]


def _number(file: BinaryIO, code: str) -> int:
    (number,) = struct.unpack(f"<{code}", _exactly(file, struct.calcsize(code)))
    return number  # type: ignore[no-any-return]


def _text(file: BinaryIO, longest: int) -> str:
    length = _number(file, "Q")
    if length > longest:
        raise ValueError(f"a text of {length} bytes is longer than any real one")
    return _exactly(file, length).decode("utf-8", "replace")


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > _LONGEST_TEXT:
        raise ValueError(f"a value of {count} bytes is longer than any real one")
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends in the middle of its header")
    return data
