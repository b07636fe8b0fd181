import pyte
import pytest

from bot.demo.screen import Screen, Size, Typed, cells, wrapped


class Terminal:
    """A real VT100 emulator in memory, and what somebody before it would see."""

    def __init__(self, columns: int = 40, rows: int = 10) -> None:
        self._seen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.Stream(self._seen)
        self._seen.set_mode(pyte.modes.LNM)  # newlines return, as the system's terminal driver does

    def write(self, text: str) -> None:
        self._stream.feed(text)

    def size(self) -> Size:
        return Size(self._seen.columns, self._seen.lines)

    def resize(self, columns: int) -> None:
        self._seen.resize(columns=columns)

    @property
    def cursor(self) -> tuple[int, int]:
        return self._seen.cursor.y, self._seen.cursor.x

    @property
    def rows(self) -> list[str]:
        """Without the empty ones at the end."""
        return "\n".join(row.rstrip() for row in self._seen.display).rstrip().split("\n")

    @property
    def scrolled(self) -> list[str]:
        rows = self._seen.history.top
        return ["".join(row[x].data for x in range(self._seen.columns)).rstrip() for row in rows]


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def screen(terminal: Terminal) -> Screen:
    return Screen(terminal.write, terminal.size)


def test_an_edit_takes_the_place_of_the_message(screen: Screen, terminal: Terminal) -> None:
    screen.add("a", "you: !deploy")
    screen.add("b", "gantry: starting\n        0 s")

    assert screen.change("b", "gantry: ready")

    assert terminal.rows == ["you: !deploy", "gantry: ready"]


def test_an_edit_that_wraps_takes_the_place_of_the_message(
    screen: Screen, terminal: Terminal
) -> None:
    screen.add("a", "gantry: " + "word " * 20)
    screen.change("a", "gantry: " + "other " * 30)
    screen.change("a", "gantry: done")

    assert terminal.rows == ["gantry: done"]


def test_a_row_that_fills_the_terminal_exactly_is_one_row(
    screen: Screen, terminal: Terminal
) -> None:
    screen.add("a", "x" * 40)
    screen.add("b", "y" * 80)
    screen.change("b", "z" * 40)

    assert terminal.rows == ["x" * 40, "z" * 40]


def test_wide_characters_are_counted_by_their_cells(screen: Screen, terminal: Terminal) -> None:
    screen.add("a", "you: !infer")
    screen.add("b", "日本語" * 10)
    screen.change("b", "gantry: 🎈 done")

    assert cells("日本語e\u0301") == 7
    assert terminal.rows[0] == "you: !infer"
    assert len(terminal.rows) == 2


def test_earlier_messages_are_left_alone(screen: Screen, terminal: Terminal) -> None:
    screen.add("a", "gantry: starting")
    screen.add("b", "you: hello")

    assert not screen.change("a", "gantry: ready")

    assert terminal.rows == ["gantry: starting", "you: hello"]


def test_what_is_being_typed_stays_below_the_messages(screen: Screen, terminal: Terminal) -> None:
    screen.type(Typed("you> ", "!sta", 4))
    screen.add("a", "gantry: starting")
    screen.change("a", "gantry: ready\nand well")
    screen.type(Typed("you> ", "!status", 2))

    assert terminal.rows == ["gantry: ready", "and well", "you> !status"]
    assert terminal.cursor == (2, len("you> !s"))


def test_a_long_typed_line_shows_the_part_around_the_cursor(
    screen: Screen, terminal: Terminal
) -> None:
    text = "!infer " + "0123456789" * 10
    screen.type(Typed("you> ", text, len(text)))

    assert terminal.rows[0].startswith("you> ")
    assert terminal.rows[0].endswith("789")
    assert len(terminal.rows) == 1

    screen.type(Typed("you> ", text, 0))
    assert terminal.rows[0].startswith("you> !infer 0123")


def test_an_answer_that_outgrows_the_terminal_is_whole_in_the_end(
    screen: Screen, terminal: Terminal
) -> None:
    lines = [f"line {n}" for n in range(30)]
    screen.add("a", lines[0])
    for count in range(1, 31):
        screen.change("a", "\n".join(lines[:count]))

    assert [*terminal.scrolled, *terminal.rows] == lines


def test_a_tall_message_with_a_changing_beginning_is_written_once_more_when_final(
    screen: Screen, terminal: Terminal
) -> None:
    tail = [f"line {n}" for n in range(20)]
    screen.add("a", "\n".join(["0 s", *tail]))
    screen.change("a", "\n".join(["1 s", *tail]))
    screen.change("a", "\n".join(["done", *tail]), final=True)
    screen.add("b", "next")

    whole = [*terminal.scrolled, *terminal.rows]
    assert whole[-22:] == ["done", *tail, "next"]
    assert "1 s" not in whole


def test_a_narrower_terminal_still_shows_the_edit_once(screen: Screen, terminal: Terminal) -> None:
    screen.add("a", "gantry: starting")
    terminal.resize(30)
    screen.change("a", "gantry: ready")

    assert terminal.rows == ["gantry: ready"]


def test_words_of_somebody_else_go_below_and_typing_goes_on(
    screen: Screen, terminal: Terminal
) -> None:
    screen.type(Typed("you> ", "!pi", 3))
    screen.add("a", "gantry: hello")
    with screen.aside():
        terminal.write("not sent\n")

    assert terminal.rows == ["gantry: hello", "not sent", "you> !pi"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", ("",)),
        ("one two three four five six", ("one two three four", "five six")),
        ("    deep one two three four", ("    deep one two", "    three four")),
        ("x" * 45, ("x" * 20, "x" * 20, "x" * 5)),
        ("a\n\nb", ("a", "", "b")),
    ],
)
def test_text_wraps_at_spaces_and_keeps_its_indent(text: str, rows: tuple[str, ...]) -> None:
    assert wrapped(text, 20) == rows


def test_very_long_lines_take_no_time(screen: Screen, terminal: Terminal) -> None:
    assert len(wrapped("x" * 60_000, 80)) == 750
    screen.type(Typed("you> ", "日" * 70_000, 70_000))
    assert terminal.rows == ["you> " + "日" * 17]
