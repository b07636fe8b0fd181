"""The first few facts of a GGUF file, read from its header alone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"GGUF"

_ARCHITECTURE, _VOCABULARY = "general.architecture", "tokenizer.ggml.tokens"
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
_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    25: "IQ4_NL",
    30: "IQ4_XS",
    32: "BF16",
}
"""`general.file_type`: the ones of llama.cpp's `llama_ftype` that are common."""
_LONGEST_KEY = 65_535
_LONGEST_TEXT = 1 << 26
_MOST_KEYS = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """What a model says of itself."""

    architecture: str | None = None
    context: int | None = None
    """Tokens it was trained to hold."""
    cache_per_token: int | None = None
    """Bytes of keys and values one token takes, in 16-bit floats."""
    buffers_per_token: int | None = None
    """Bytes of results one token of a batch takes, in 32-bit floats."""
    quantisation: str | None = None
    """How most of its weights are kept: `Q4_K_M`."""


def read_header(file: BinaryIO) -> Header:
    """Read up to the vocabulary, which comes after the trained context length, or to the end of
    the header.

    Raises ValueError for a file that is not GGUF or ends in the middle of its header.
    """
    if file.read(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version = _number(file, "I")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version} is not known")
    _number(file, "Q")  # how many tensors
    found: dict[str, Any] = {}
    for _ in range(min(_number(file, "Q"), _MOST_KEYS)):
        key, kind = _text(file, _LONGEST_KEY), _number(file, "I")
        if key == _VOCABULARY and kind == _ARRAY:
            inner, count = _number(file, "I"), _number(file, "Q")
            found[key] = count
            if f"{found.get(_ARCHITECTURE)}.context_length" in found:
                break
            _skip(file, inner, count)
        else:
            found[key] = _value(file, kind)
    return _header(found)


def _header(found: dict[str, Any]) -> Header:
    name = found.get(_ARCHITECTURE)
    if not isinstance(name, str):
        return Header()

    def number(key: str) -> int | None:
        value = found.get(f"{name}.{key}")
        return value if isinstance(value, int) else None

    vocabulary, embedding = found.get(_VOCABULARY), number("embedding_length")
    buffers = 4 * (vocabulary + embedding) if vocabulary and embedding else None
    kept = _FILE_TYPES.get(found.get("general.file_type", -1))
    return Header(name, number("context_length"), _cache(number), buffers, kept)


def _cache(number: Callable[[str], int | None]) -> int | None:
    """Layers x key-value heads x (key + value length) x 2 bytes, as llama.cpp allocates it; None
    for a model whose layers differ."""
    layers, heads = number("block_count"), number("attention.head_count")
    shared, embedding = number("attention.head_count_kv"), number("embedding_length")
    if not layers or not heads or not embedding or not shared:
        return None
    each = embedding // heads
    lengths = (number("attention.key_length") or each) + (number("attention.value_length") or each)
    return 2 * layers * shared * lengths


def _value(file: BinaryIO, kind: int) -> str | int | float | None:
    if kind == _STRING:
        return _text(file, _LONGEST_TEXT)
    if kind == _ARRAY:
        _skip(file, _number(file, "I"), _number(file, "Q"))
        return None
    return _number(file, _scalar(kind))


def _skip(file: BinaryIO, kind: int, count: int) -> None:
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
