"""What the one place that speaks to the homeserver lets through."""

from dataclasses import dataclass
from typing import Any

import nio
import pytest
from pydantic import SecretStr

from bot.discretion import REMEMBERED, Discretion
from bot.matrix.answers import Answer
from bot.matrix.api import MatrixApi
from bot.matrix.content import edit, notice
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.discreet import discreet, logged
from commands.replies import Reply
from commands.verb import Verb
from domain.errors import Unreachable
from domain.people import Role
from domain.progress import Progress
from tests.fleet.world import until

from .desk import Desk
from .homeserver import ME, ROOM

VIEWER = Role.VIEWER

SECRET = "hunter2-hunter2"


@pytest.fixture
def discretion():
    made = Discretion()
    made.learn("password", SecretStr(SECRET))
    return made


@pytest.fixture
async def api(tmp_path, discretion, monkeypatch):
    """Of an account in one room, that notes what would be sent."""
    made = MatrixApi("http://nowhere.invalid", ME, KeyStore(tmp_path, SecretStr("x")), discretion)
    made.client.rooms[ROOM] = nio.MatrixRoom(ROOM, ME)
    sent: list[Any] = []

    async def request(method, path, body=None):
        if method == "GET":
            return Answer(404, {"errcode": "M_NOT_FOUND"})
        sent.append(body)
        return Answer(200, {"event_id": "$1"})

    async def upload(data, mimetype, name, encrypt, monitor, size):
        sent.append((data.read(), name, size))
        return nio.UploadResponse("mxc://x/1"), None

    made.request = made.line.request = request
    monkeypatch.setattr(made.client, "upload", upload)
    yield made, sent
    await made.aclose()


async def test_no_message_leaves_with_a_secret_in_it(api):
    made, sent = api
    content = notice(f"it is {SECRET}") | {"formatted_body": f"<b>{SECRET}</b>"}
    await made.send(ROOM, content, "t1")
    await made.send(ROOM, edit("$0", content), "t2")
    assert SECRET not in str(sent)
    assert sent[0]["body"] == "it is •••"
    assert sent[1]["m.new_content"]["formatted_body"] == "<b>•••</b>"
    assert sent[1]["m.relates_to"]["event_id"] == "$0"


async def test_no_file_leaves_with_a_secret_in_it_or_in_its_name(api):
    made, sent = api
    told = await made.upload(f"é {SECRET}\n".encode(), f"{SECRET}.txt", "text/plain", encrypt=False)
    assert sent == [("é •••\n".encode(), "•••.txt", len("é •••\n".encode()))]
    assert told["info"]["size"] == sent[0][2]


async def test_what_is_not_text_is_uploaded_as_it_is(api):
    made, sent = api
    await made.upload(b"\xff\xfe" + SECRET.encode(), "x.png", "image/png", encrypt=False)
    assert sent[0][0] == b"\xff\xfe" + SECRET.encode()


def test_keys_of_files_and_ids_of_events_are_no_words(discretion):
    content = {
        "body": SECRET,
        "file": {"key": {"k": SECRET}},
        "m.relates_to": {"event_id": SECRET},
        "nested": {"list": [SECRET, 1, None]},
    }
    assert discreet(content, discretion) == {
        **content,
        "body": "•••",
        "nested": {"list": ["•••", 1, None]},
    }


def test_whatever_is_logged_is_masked(discretion):
    class Thing:
        def __repr__(self):
            return f"Thing({SECRET!r})"

    line = {"a": [SECRET, 1, True, None], "b": {SECRET: Thing()}, "c": SecretStr(SECRET)}
    assert SECRET not in str(logged(line, discretion))
    assert logged(line, discretion)["a"] == ["•••", 1, True, None]


def test_tokens_that_were_renewed_long_ago_are_forgotten(discretion):
    for number in range(REMEMBERED + 1):
        discretion.learn("access token", SecretStr(f"access-token-{number}"))
    assert not discretion.holds("access-token-0")
    assert discretion.holds("access-token-1")
    assert discretion.holds(SECRET)


def test_the_environment_is_known_by_its_names():
    made = Discretion.of_environment(
        {"HF_TOKEN": "canary-1", "PATH": "/usr/bin:/bin", "TINY_TOKEN": "on", "My_Api_Key": "k" * 9}
    )
    assert made.masked("canary-1 /usr/bin:/bin on kkkkkkkkk") == "••• /usr/bin:/bin on •••"


async def test_every_token_that_is_used_is_known_from_then_on(api, discretion):
    made, _ = api
    made.line.use(SecretStr("opaque-access-token"))
    with pytest.raises(Unreachable):
        await made.line.refresh(SecretStr("opaque-refresh-token"))
    assert discretion.masked("opaque-access-token opaque-refresh-token") == "••• •••"


async def test_progress_is_masked_before_it_is_cut_short(world, homeserver, start, discretion):
    """Its last 300 characters are shown: half a secret would be unknown to any later step."""

    @dataclass(frozen=True)
    class Tell:
        pass

    async def telling(request, permit, deps, report):
        report(Progress("pull", text=SECRET + "." * 295))
        await until(lambda: any("⏳" in text for text in homeserver.shown()))
        report(Progress("answering", text=SECRET[:9]))
        await until(lambda: any("•••" in text for text in homeserver.shown()))
        return Reply.done("done")

    desk = Desk(world, homeserver, start, tell=Verb("tell", "", ("tell",), Tell, telling, VIEWER))
    desk.discretion.learn("password", SecretStr(SECRET))
    await desk.says("!tell")
    said = str(list(homeserver.events.values()))
    assert "⏳" in said
    assert SECRET[-5:] not in said
    assert SECRET[:9] not in said
    await desk.crash()
