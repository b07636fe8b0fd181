"""A file of requests is read whole or told what is wrong with it; what is written is JSON Lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.masking import Masking
from inference.batch import lines as module
from inference.batch.entries import answered, unanswered
from inference.batch.lines import DEEPEST, MOST_BYTES, BadFile, read_lines
from inference.gateway.misses import Whole

CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}]}


def line(name="a", **more):
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": BODY, **more}


def file(*lines, end="\n"):
    told = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    return "".join(each + end for each in told).encode()


def wrong(data):
    with pytest.raises(BadFile) as caught:
        read_lines(data)
    return caught.value.problems


def read(data):
    try:
        return read_lines(data), ()
    except BadFile as error:
        return None, error.problems


def test_every_line_is_a_request_put_to_whom_the_command_names():
    embed = {"input": "x", "model": "text-embedding-3"}
    data = file(line(), line("b", url="/v1/embeddings", body=embed))
    first, second = read_lines(data)
    assert (first.number, first.custom_id, first.api) == (1, "a", "chat")
    asked = second.asked("tiny")
    assert (asked.path, json.loads(asked.raw)) == (
        "/v1/embeddings",
        {"model": "tiny", "input": "x"},
    )
    assert json.loads(asked.sent("small", usage=False)) == {"model": "small", "input": "x"}
    assert not asked.stream


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n \t\r\n"])
def test_marks_and_blank_lines_of_any_system_are_no_requests(end):
    data = b"\xef\xbb\xbf" + file(line("a"), line("b"), end=end)
    assert [each.custom_id for each in read_lines(data)] == ["a", "b"]
    assert [each.custom_id for each in read_lines(data.rstrip())] == ["a", "b"]


def test_what_ends_a_line_elsewhere_does_not_end_one_here():
    text = "one\u2028two\x85three"
    data = json.dumps(line(body={"prompt": text}), ensure_ascii=False).encode()
    assert json.loads(read_lines(data)[0].body) == {"prompt": text}


def test_a_request_keeps_its_numbers_escapes_and_halves_of_characters():
    body = r'{"prompt":"\ud83d \u0000 \ud83e\udd80","seed":123456789012345678901234567890}'
    raw = f'{{"custom_id":"a","method":"POST","url":"/v1/completions","body":{body}}}'
    assert json.loads(read_lines(raw.encode())[0].asked("tiny").raw) == {
        "model": "tiny",
        **json.loads(body),
    }


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "the line is not JSON: Expecting property name"),
        ("[]", "the line has to be a JSON object"),
        ('"' + "\\" + 'x"', "the line is not JSON"),
        ('{"a": 1, "a": 2}', "`a` stands in the line twice"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "`custom_id` is missing"),
        ("[" * 100_000, "the line is nested too deeply"),
        ('{"a": "\0"}', "Invalid control character at"),
        ({"method": "POST", "url": CHAT, "body": {}}, "`custom_id` is missing"),
        ({"custom_id": "a", "url": CHAT, "body": {}}, "`method` is missing"),
        ({"custom_id": "a", "method": "POST", "body": {}}, "`url` is missing"),
        ({"custom_id": "a", "method": "POST", "url": CHAT}, "`body` is missing"),
        (line(method="GET"), '`method` has to be "POST"'),
        (line(url="/v1/models"), "`url` has to be one of /v1/chat/completions"),
        (line(url=["/v1/embeddings"]), "`url` has to be one of"),
        (line(body=[1]), "`body` has to be an object"),
        (line(body={"stream": True}), "`stream` has no place in a batch"),
        (line(body={"stream": "yes"}), "`stream` has no place in a batch"),
        (line(body={"backend": "claude"}), "`backend` has no place in a batch"),
        (line(body={"temperature": float("1e308") * 10}), "Infinity is no JSON number"),
        (line(custom_id=7), "`custom_id` has to be a text"),
        (line(custom_id=""), "`custom_id` has to be a text"),
        (line(custom_id="a\0"), "`custom_id` has to be printable"),
        (line(custom_id="\ud800"), "`custom_id` has to be printable"),
        (line(custom_id="a" * 513), "`custom_id` has to be printable"),
        (line("ok"), "it has the same `custom_id` as line 1"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(bad, told):
    (problem,) = wrong(file(line("ok"), "", bad))
    assert problem.startswith("line 3: ")
    assert told in problem


def test_what_is_read_can_be_passed_on_however_deep_it_is():
    def nested(levels):
        return file(line(body={"x": 0})).replace(b"0", b"[" * levels + b"]" * levels, 1)

    (deepest,) = read_lines(nested(DEEPEST - 1))
    assert deepest.asked("tiny").sent("small", usage=False).count(b"[") == DEEPEST - 1
    for levels in (DEEPEST, 900, 985, 100_000):
        assert wrong(nested(levels)) == ("line 1: the line is nested too deeply",)


def test_a_number_that_json_has_and_computers_have_not_is_told():
    huge = json.dumps(line()).replace('"Hi"', "1e999")
    assert wrong(huge.encode()) == ("line 1: a number in it is larger than numbers may be",)


def test_what_is_wrong_is_counted_and_the_first_few_told():
    with pytest.raises(BadFile, match="7 lines of 8 cannot be asked") as caught:
        read_lines(file(line("ok"), *(["{"] * 7)))
    assert len(caught.value.problems) == 6
    assert caught.value.problems[-1] == "and 2 more"


def test_no_word_of_a_file_stands_in_the_summary():
    with pytest.raises(BadFile) as caught:
        read_lines(file('{"sesame": 1, "sesame": 2}'))
    assert "sesame" not in caught.value.summary + caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf \r\n"])
def test_a_file_without_a_request_is_empty(data):
    with pytest.raises(BadFile, match="is empty"):
        read_lines(data)


def test_a_file_has_so_many_lines_and_bytes_and_no_more(monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 2)
    assert len(read_lines(file(line("a"), line("b")))) == 2
    with pytest.raises(BadFile, match="more than 2 lines"):
        read_lines(file(line("a"), line("b"), line("c")))
    data = file(line())
    assert read_lines(data.ljust(MOST_BYTES, b"\n"))
    with pytest.raises(BadFile, match="more than 20 MB"):
        read_lines(data.ljust(MOST_BYTES + 1, b"\n"))


@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_no_bytes_are_too_odd_to_be_told_of(data):
    with pytest.raises(BadFile) as caught:
        read_lines(data)
    assert caught.value.summary


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(line(), JSON)), max_size=4))
def test_lines_of_any_shape_are_read_or_told_of(lines):
    found, problems = read(file(*lines))
    assert all(len(problem) < 300 for problem in problems)
    assert found is None or len(found) == len(lines)


@given(st.lists(st.dictionaries(st.text(), JSON), max_size=4))
def test_a_body_comes_through_as_it_is(bodies):
    mine = ("model", "stream", "backend", "_backend")
    kept = [{k: v for k, v in body.items() if k not in mine} for body in bodies]
    data = file(*(line(f"n{n}", body=body) for n, body in enumerate(kept)), "")
    found, problems = read(data)
    if found is None:
        assert not kept or any("number" in each for each in problems)
    else:
        assert [json.loads(each.body) for each in found] == kept


# Entries

(ONE,) = read_lines(file("", "", line("q-1")))


def masked(text):
    return text.replace("sesame", "•••")


def entry(status=200, body=b'{"id":"x"}', headers=None, masked=masked):
    made = answered("k3x9ab", ONE, Whole(status, body, headers or {}), masked)
    assert "\n" not in made.text
    assert made.text.isascii()
    return json.loads(made.text), made.failure


def test_an_answer_is_written_as_openai_writes_it():
    told, failure = entry(headers={"X-Request-Id": "r7"})
    assert failure is None
    assert told == {
        "id": "batch_req_k3x9ab_3",
        "custom_id": "q-1",
        "response": {"status_code": 200, "request_id": "r7", "body": {"id": "x"}},
        "error": None,
    }


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"error":{"code":"too_long","message":"it is too long"}}', "too_long", "it is too long"),
        (b'{"error":{"type":"invalid","message":"no"}}', "invalid", "no"),
        (b'{"error":"plain"}', "400", "plain"),
        (b'{"message":"bare"}', "400", "bare"),
        (b"[]", "400", "HTTP 400"),
    ],
)
def test_an_error_is_written_with_what_the_backend_said(body, code, message):
    told, failure = entry(400, body)
    assert told["response"]["status_code"] == 400
    assert told["response"]["body"] == json.loads(body)
    assert told["error"] == {"code": code, "message": message}
    assert failure == message


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"a":NaN}', b'{"a":1e999}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_answer_is_a_failure(body):
    told, failure = entry(body=body)
    assert told["response"] is None
    assert told["error"]["code"] == "invalid_answer"
    assert failure == "what it sent is no JSON (HTTP 200)"


def test_an_answer_may_have_so_many_characters_and_no_more(monkeypatch):
    monkeypatch.setattr("inference.batch.entries.LONGEST", 300)
    assert entry(body=json.dumps({"a": "x" * 100}).encode())[1] is None
    for body in (
        b'{"a":"' + b"x" * 300 + b'"}',
        '{"a":"ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ"}'.encode(),
    ):
        told, failure = entry(body=body)
        assert told["error"]["code"] == "answer_too_large"
        assert "has more than" in failure


def test_secrets_in_an_answer_are_masked_and_it_stays_json():
    told, _ = entry(body=b'{"a":["open sesame!",1.5,{"b":"x"}]}')
    assert told["response"]["body"] == {"a": ["open •••!", 1.5, {"b": "x"}]}


@given(JSON)
def test_masking_leaves_every_answer_json_and_without_secrets_as_it_is(value):
    body = json.dumps({"a": value})
    if "NaN" in body or "Infinity" in body:
        return
    told, _ = entry(body=body.encode(), masked=Masking().masked)
    assert told["response"]["body"] == json.loads(body)


def test_what_went_wrong_is_kept_in_a_line_that_databases_take():
    body = json.dumps({"error": {"message": "a\nb\0c\ud800" + "x" * 300}}).encode()
    _, failure = entry(500, body)
    assert failure.startswith("a b\N{REPLACEMENT CHARACTER}c?xxx")
    assert len(failure) == 200


def test_what_nobody_answered_says_why():
    made = unanswered("k3x9ab", ONE, "batch_cancelled", "not asked")
    assert json.loads(made.text) == {
        "id": "batch_req_k3x9ab_3",
        "custom_id": "q-1",
        "response": None,
        "error": {"code": "batch_cancelled", "message": "not asked"},
    }
