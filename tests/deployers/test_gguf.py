from __future__ import annotations

import io
import struct

import pytest

from deployers.models.bundled import bundled
from deployers.models.gguf import Header, read_header
from domain.sources import parse_source


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def header(*pairs: bytes, version: int = 3) -> io.BytesIO:
    return io.BytesIO(b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs)) + b"".join(pairs))


ARCHITECTURE = pair(b"general.architecture", 8, text(b"qwen2"))
CONTEXT = pair(b"qwen2.context_length", 4, struct.pack("<I", 32_768))
TOKENS = pair(
    b"tokenizer.ggml.tokens",
    9,
    struct.pack("<IQ", 8, 2) + text(b"a") + text("ü".encode()),
)
SCORES = pair(b"tokenizer.ggml.scores", 9, struct.pack("<IQ3f", 6, 3, 1, 2, 3))
FLAG = pair(b"general.flag", 7, b"\x01")


def test_architecture_and_context_are_read():
    assert read_header(header(ARCHITECTURE, CONTEXT)) == Header("qwen2", 32_768)


def test_they_are_found_behind_arrays_and_in_any_order():
    assert read_header(header(CONTEXT, TOKENS, SCORES, FLAG, ARCHITECTURE)) == Header(
        "qwen2", 32_768
    )


def number(key: bytes, value: int) -> bytes:
    return pair(b"qwen2." + key, 4, struct.pack("<I", value))


SHAPE = (
    number(b"block_count", 24),
    number(b"embedding_length", 896),
    number(b"attention.head_count", 14),
    number(b"attention.head_count_kv", 2),
)


def test_what_a_token_takes_is_reckoned_from_the_shape():
    found = read_header(header(ARCHITECTURE, CONTEXT, *SHAPE, TOKENS))
    assert found == Header("qwen2", 32_768, 2 * 24 * 2 * (64 + 64), 4 * (2 + 896))


def test_heads_may_have_lengths_of_their_own():
    lengths = number(b"attention.key_length", 192), number(b"attention.value_length", 128)
    found = read_header(header(ARCHITECTURE, CONTEXT, *SHAPE, *lengths, TOKENS))
    assert found.cache_per_token == 2 * 24 * 2 * (192 + 128)


def test_layers_that_differ_are_not_reckoned():
    each = pair(b"qwen2.attention.head_count_kv", 9, struct.pack("<IQ2I", 4, 2, 8, 1))
    found = read_header(header(ARCHITECTURE, CONTEXT, *SHAPE[:3], each, TOKENS))
    assert (found.context, found.cache_per_token) == (32_768, None)


def test_the_context_of_another_architecture_does_not_count():
    other = pair(b"clip.context_length", 4, struct.pack("<I", 77))

    assert read_header(header(other, ARCHITECTURE)) == Header("qwen2", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04rest",
        b"GGUF\x03",
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        header(ARCHITECTURE, CONTEXT).getvalue()[:-1],
        header(pair(b"x", 99, b"")).getvalue(),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60),
        header(pair(b"x", 9, struct.pack("<IQ", 10, 1 << 60))).getvalue(),
    ],
)
def test_what_is_not_a_whole_header_is_refused(data: bytes):
    with pytest.raises(ValueError, match=r"ends|not known|longer|does not begin"):
        read_header(io.BytesIO(data))


def test_the_model_that_comes_along_can_be_read():
    with bundled(parse_source("tiny://ops")).open("rb") as file:
        found = read_header(file)

    assert (found.architecture, found.context) == ("llama", 1024)
    assert found.cache_per_token == 2 * 4 * 5 * (32 + 32)
    assert found.buffers_per_token == 4 * (1024 + 160)
