import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.demo.line_editor import Key, LineEditor


def lines(editor: LineEditor, *typed: str | bytes) -> list[str | Key]:
    chunks = (text if isinstance(text, bytes) else text.encode() for text in typed)
    return [line for chunk in chunks for line in editor.feed(chunk)]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("!ping\r", "!ping"),
        ("!pink\x7fg\r", "!ping"),
        ("!png\x1b[D\x1b[Di\r", "!ping"),
        ("ping\x01!\r", "!ping"),
        ("ping\x1b[H!\x05s\r", "!pings"),
        ("wrong\x15!ping\r", "!ping"),
        ("!scale qwen\x17tiny\r", "!scale tiny"),
        ("!pingpong\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r", "!ping"),
        ("x!ping\x01\x1b[3~\r", "!ping"),
        ("\x1b[5~\t!ping\x1b[1;5C\r", "!ping"),
    ],
)
def test_keys_do_what_hands_expect(typed: str, line: str) -> None:
    assert lines(LineEditor(), typed) == [line]


def test_characters_and_keys_may_arrive_in_pieces() -> None:
    data = "é日\x1b[D!\r".encode()
    assert lines(LineEditor(), *(data[n : n + 1] for n in range(len(data)))) == ["é!日"]


def test_a_pasted_newline_belongs_to_the_line() -> None:
    assert lines(LineEditor(), "!infer \x1b[200~why\r\nis", " it\x1b[201~?\r") == [
        "!infer why\nis it?"
    ]


def test_the_end_is_only_the_end_on_an_empty_line() -> None:
    assert lines(LineEditor(), "a\x04\x7f\x04") == [Key.END]


def test_earlier_lines_come_back() -> None:
    editor = LineEditor()
    assert lines(editor, "one\r", "two\r", "\x1b[A\x1b[A\r", "\x1b[A\x1b[A\x1b[B\r") == [
        "one",
        "two",
        "one",
        "one",
    ]


def test_an_empty_line_says_nothing() -> None:
    assert lines(LineEditor(), "\r", "   \r") == []


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_input_breaks_it(chunks: list[bytes]) -> None:
    editor = LineEditor()
    lines(editor, *chunks)
    assert 0 <= editor.cursor <= len(editor.text)
