"""Replies as plain text and as HTML. What came from outside is shown and never obeyed."""

import html as std_html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.outcomes import live, unchanged
from commands.replies import (
    Code,
    Reply,
    Table,
    Verbatim,
    answering,
    bar,
    duration,
    html,
    plain,
    size,
    working,
)
from domain.errors import Failure, OpsError, Unhealthy
from domain.progress import Progress
from domain.readiness import FirstToken
from domain.replicas import Phase
from domain.services import Placement, ServiceSpec
from domain.sources import Source
from fleet.fleet import Outcome

ALLOWED = {"p", "br", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
EVIL = '<img src=x onerror=alert(1)><script>`!remove tiny`</script> &lt; "q" @room </code></pre>'


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between, of HTML that must be well nested."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = set(), [], "", []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "br":
            self.text += "\n"
        else:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "block", [EVIL, Verbatim(EVIL), Code(EVIL), Table((EVIL,), ((EVIL,), (EVIL,)))]
)
def test_hostile_text_is_shown_as_text_in_every_kind_of_block(block):
    seen = Tags(html([block]))
    assert seen.tags <= ALLOWED
    assert seen.attributes == []
    assert "<img src=x onerror=alert(1)><script>" in seen.text
    assert EVIL in plain([block])


texts = st.text(alphabet=st.sampled_from("<>&;`\"'!/ab\n")) | st.text()
rows = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
blocks = st.lists(
    texts
    | st.builds(Verbatim, texts)
    | st.builds(Code, texts)
    | st.builds(Table, st.just(("a", "b")), rows),
    max_size=4,
)


@given(blocks)
def test_html_is_well_formed_and_holds_only_allowed_tags(blocks):
    seen = Tags(html(blocks))
    assert seen.tags <= ALLOWED
    assert seen.attributes == []


@given(texts)
def test_somebody_elses_words_come_out_as_they_went_in(text):
    text = text.replace("\r", "")
    assert plain([Verbatim(text)]) == plain([Code(text)]) == text
    assert html([Code(text)]) == f"<pre><code>{std_html.escape(text, quote=False)}</code></pre>"


def test_our_own_words_may_hold_code_and_line_breaks():
    assert html(["see `!logs tiny`\nand 1 < 2"]) == (
        "<p>see <code>!logs tiny</code><br>and 1 &lt; 2</p>"
    )


def test_backticks_of_a_model_are_not_markup():
    assert html([Verbatim("`a`\nb")]) == "<p>`a`<br>b</p>"


def test_a_table_is_aligned_in_plain_text():
    table = Table(("service", "ready"), (("tiny", "✓ 1/1"), ("a-longer-one", "✗ 0/2")))
    assert plain([table, "end"]) == (
        "service       ready\ntiny          ✓ 1/1\na-longer-one  ✗ 0/2\nend"
    )
    assert html([Table(("a",), (("`b`",),))]) == (
        "<table><thead><tr><th>a</th></tr></thead>"
        "<tbody><tr><td><code>b</code></td></tr></tbody></table>"
    )


def test_a_failure_says_what_failed_how_things_stand_and_what_to_try():
    failure = Failure("out-of-memory", "CUDA out of memory", "try less", ("line 1", "line 2"))
    error = Unhealthy("tiny-3fa9c1-0", failure)
    error.standing = "The version before (aaaaaa) serves, 1 of 1."
    reply = Reply.failed("deploy tiny", error)
    assert plain(reply.blocks) == (
        "✗ deploy tiny: tiny-3fa9c1-0: CUDA out of memory. "
        "The version before (aaaaaa) serves, 1 of 1. Try less.\nline 1\nline 2"
    )
    assert not reply.ok
    assert not reply.cancelled
    assert reply.marked_cancelled().cancelled


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OpsError("it broke"), "✗ it broke."),
        (OpsError("it broke."), "✗ it broke."),
        (OpsError("did it break?", "look"), "✗ did it break? Look."),
        (OpsError("it broke", "`!status`"), "✗ it broke. `!status`."),
    ],
)
def test_a_failure_is_made_of_whole_sentences(error, told):
    assert plain(Reply.failed("", error).blocks) == told


def test_the_summary_is_the_first_line():
    assert Reply.done("one\ntwo", "three").summary == "one"
    assert Reply.done(Table(("a", "b"), (("c", "d"),))).summary == "a  b"
    assert Reply(False, (Verbatim(""), "✗ cut off")).summary == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3599.6, "1 h"),
        (7800, "2 h 10 min"),
        (360_000, "100 h"),
    ],
)
def test_durations_read_as_a_person_says_them(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e9, "2.0 GB"), (3e12, "3.0 TB")],
)
def test_sizes_are_in_powers_of_a_thousand(amount, told):
    assert size(amount) == told


@pytest.mark.parametrize(
    ("fraction", "drawn"),
    [(-1, "▱▱▱▱"), (0, "▱▱▱▱"), (0.5, "▰▰▱▱"), (1, "▰▰▰▰"), (7, "▰▰▰▰")],
)
def test_a_bar_never_leaves_its_frame(fraction, drawn):
    assert bar(fraction, 4) == drawn


def test_a_running_operation_shows_phase_bar_time_last_line_and_how_to_stop_it():
    news = Progress(
        "start tiny-3fa9c1-0", phase=Phase.LOADING, fraction=0.5, text="layer 3", position=(1, 4)
    )
    assert working("deploy tiny", news, 42, "k3x9ab") == (
        "⏳ deploy tiny · start tiny-3fa9c1-0 (loading) · ▰▰▰▰▱▱▱▱▱▱ 2/4 · 42 s",
        Code("layer 3"),
        "React with ❌ or say `!cancel k3x9ab` to stop it",
    )


def test_a_running_operation_may_have_little_to_tell():
    assert working("deploy tiny", Progress("plan"), 1, "k3x9ab") == (
        "⏳ deploy tiny · plan · 1.0 s",
        "React with ❌ or say `!cancel k3x9ab` to stop it",
    )


def test_only_the_end_of_a_long_log_line_is_shown():
    shown = working("x", Progress("x", text="a" * 9000 + "b"), 1, "op")[1]
    assert shown == Code("a" * 299 + "b")


def test_an_answer_that_grows_says_so():
    assert answering("infer tiny hi", Progress("answering", text="<b>"), "k3x9ab") == (
        "⏳ infer tiny hi",
        Verbatim("<b> …"),
        "React with ❌ or say `!cancel k3x9ab` to stop it",
    )


SPEC = ServiceSpec(
    name="tiny",
    source=Source("tiny", "ops"),
    placements=(Placement(target="local", replicas=1),),
)


@pytest.mark.parametrize(
    ("replicas", "first", "told"),
    [
        (1, None, "1 replica of revision `{0}` · ready in 3.0 s"),
        (2, None, "2 replicas of revision `{0}` · ready in 3.0 s"),
        (1, FirstToken(0.0124, None), "1 replica of revision `{0}` · ready in 3.0 s"),
        (1, FirstToken(0.0124, 210.4), "first token after 12 ms · 210 tokens/s"),
    ],
)
def test_success_tells_where_how_many_and_how_fast(replicas, first, told):
    outcome = Outcome(SPEC.scaled(replicas), changed=True, seconds=3, first_token=first)
    summary = live(outcome).summary
    assert summary.startswith("✓ tiny is live on local: ")
    assert summary.endswith(told.format(SPEC.revision))


def test_what_targets_warned_of_is_said_with_the_success():
    outcome = Outcome(
        SPEC, changed=True, seconds=3, warnings=("there is no GPU, so it runs slowly",)
    )
    assert live(outcome).blocks[1:] == ("Note: there is no GPU, so it runs slowly.",)


def test_what_it_became_and_why_is_said_once():
    """`--gpu auto` may end on either; a target that cannot tell says nothing."""
    why = "its Docker engine has no NVIDIA runtime"
    outcome = Outcome(
        SPEC,
        changed=True,
        seconds=3,
        warnings=(f"no graphics card: {why}; it runs on the processor", "another thing"),
        made_of=(("image", "x"), ("hardware", f"processor ({why})")),
    )
    reply = live(outcome)
    assert reply.summary.endswith(f"ready in 3.0 s · on the processor ({why})")
    assert reply.blocks[1:] == ("Note: another thing.",)
    card = Outcome(SPEC, changed=True, seconds=3, made_of=(("hardware", "graphics card"),))
    assert live(card).summary.endswith(" · on the graphics card")


def test_nothing_to_do_is_said_to_be_so():
    outcome = Outcome(SPEC, changed=False, seconds=0)
    assert unchanged(outcome).summary == (
        f"✓ tiny already is like that: 1 on local, revision `{SPEC.revision}`"
    )
