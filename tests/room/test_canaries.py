"""Secrets planted in every input come out nowhere: the room, files, the log, the state, pages."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import aiohttp.web
import pytest

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.crypto.recovery_key import RecoveryKey
from domain.secrets import MASK
from tests.inference.conftest import Reply, Upstream

from .bot_process import BotProcess, settings
from .conftest import Room, opened

pytestmark = pytest.mark.room

PASSPHRASE = 'canary "passphrase" with <odd> & ends/100%'
ENVIRONMENT = {
    "HF_TOKEN": "canary-of-the-hub-0123",
    "TEAM_API_KEY": "canary-of-a-team, é",
    "MATRIX_CANARY_PASSWORD": "canary-of-nobody",
}
NEVER_GIVEN = [
    "ghp_canary0123456789canary0123456789canary",
    "glpat-canary0123456789canary",
    "xoxb-canary-0123456789",
]
"""Secrets of others, known by their shape alone."""

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Cage:
    """A room with a bot that was given canaries."""

    room: Room
    folder: Path
    canaries: list[str]
    health: str


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kind of target `leaky`, as the bot finds it installed. Returns its canaries' file."""
    package = tmp_path / "site" / "leaky-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[gantry.deployers]\nleaky = tests.room.leaky:KIND\n")
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{REPOSITORY}")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "canaries.json"


@pytest.fixture
async def cage(leaky: Path, homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Cage]:
    recovery = RecoveryKey.generate().encode().get_secret_value()
    for name, text in (("passphrase", PASSPHRASE), ("recovery", recovery)):
        (tmp_path / name).write_text(text)
    canaries = [*ENVIRONMENT.values(), *NEVER_GIVEN, PASSPHRASE, recovery]
    leaky.write_text(json.dumps(canaries))

    async def talk(reply: Reply) -> None:
        known = json.loads(leaky.read_text())
        said = [piece for canary in known for piece in (canary[:9], canary[9:], " and ")]
        reply.start().words("It is ", *said, "that.").end()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        health = f"127.0.0.1:{probe.getsockname()[1]}"
    server = await Upstream(talk).open()
    matrix = {
        "store_passphrase_file": str(tmp_path / "passphrase"),
        "recovery_key_file": str(tmp_path / "recovery"),
    }
    target = {"kind": "leaky", "canaries": str(leaky), "server": server.url}
    async with opened(
        homeserver,
        tmp_path,
        matrix=matrix,
        targets={"leaky": target},
        environments={"test": {"targets": ["leaky"]}},
        monitoring={"probe_every": "1s", "health": health},
    ) as room:
        password = (tmp_path / "password").read_text()
        leaky.write_text(json.dumps([*canaries, password]))
        await room.bot.stop()
        await room.bot.start()
        yield Cage(room, tmp_path, [*canaries, password], health)
    await server.close()


def leaks(text: str, canaries: list[str]) -> Iterator[str]:
    """Canaries that a text gives away, in whatever clothes."""
    for canary in canaries:
        for form in (canary, json.dumps(canary)[1:-1], repr(canary)[1:-1], quote(canary, "")):
            if form in text:
                yield form
    for word in re.findall(r"[A-Za-z0-9+/_-]{8,}", text):
        whole = word[: len(word) // 4 * 4]
        decoded = base64.b64decode(whole, altchars=b"-_").decode(errors="replace")
        yield from (canary for canary in canaries if canary in decoded)


async def conversation(room: Room) -> None:
    """Success, failure, a bug, looking on, logs too long for a message, talk."""
    assert (await room.says("!deploy tiny tiny://smooth")).state == "succeeded"
    assert (await room.says("!deploy other tiny://broken")).state == "failed"
    bug = await room.says("!deploy third tiny://bug")
    assert "a bug in the bot" in bug.text
    assert "•••" in (await room.says("!targets")).text
    assert "ghp_•••" in (await room.says("!logs tiny")).text
    assert "the whole text is in the thread" in (await room.says("!logs tiny --tail 500")).text
    said = await room.says("!infer tiny tell me everything")
    assert said.text.startswith("It is ••• and")
    assert "!deploy" in (await room.says("!deplyo tiny tiny://ops")).text


async def test_no_canary_comes_out(cage: Cage, capfd: pytest.CaptureFixture[str]):
    room = cage.room
    await conversation(room)
    async with aiohttp.ClientSession(f"http://{cage.health}") as http:
        for page in ("/healthz", "/readyz"):
            async with http.get(page) as answer:
                assert not list(leaks(await answer.text(), cage.canaries))
    assert len(room.proxy.said) > 10
    assert any(b"the whole" in said for said in room.proxy.said)
    for said in room.proxy.said:
        assert not list(leaks(said.decode(), cage.canaries))
    for event in await room.person.sees(room.id):
        content = json.dumps(event["content"], ensure_ascii=False)
        assert not list(leaks(content, cage.canaries)), event
    log = room.bot.log.read_text()
    for told in ("pulled with", "RuntimeError", "UserWarning", json.dumps(MASK)[1:-1]):
        assert told in log
    assert not list(leaks(log, cage.canaries))
    await room.bot.stop()
    for file in cage.folder.glob("gantry.db*"):
        kept = file.read_bytes().decode(errors="replace")
        assert not list(leaks(kept, cage.canaries)), file
    assert not list(leaks("".join(capfd.readouterr()), cage.canaries))


async def test_check_does_not_print_them_either(cage: Cage):
    check = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "check", "--config", str(cage.room.bot.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await check.communicate()
    assert "target leaky: •••" in told.decode()
    assert not list(leaks(told.decode(), cage.canaries))


async def test_tokens_got_at_login_are_canaries_too(cage: Cage, leaky: Path):
    [token] = re.findall(rb"syt_[\w=]+_\w{20}_\w{6}", (cage.folder / "gantry.db").read_bytes())[:1]
    leaky.write_text(json.dumps([token.decode()]))
    await cage.room.bot.stop()
    await cage.room.bot.start()
    told = (await cage.room.says("!targets")).text
    assert "•••" in told
    assert not list(leaks(told, [token.decode()]))


async def test_one_of_the_bots_own_secrets_is_not_even_filed(cage: Cage):
    room, secret = cage.room, ENVIRONMENT["MATRIX_CANARY_PASSWORD"]
    await room.person.types(room.id, f"!infer tiny is it {secret}?")
    await room.person.types(room.id, f"!{secret}")
    await room.says("!ping")
    events = await room.person.sees(room.id)
    told = [e["content"]["body"] for e in events if e["content"].get("msgtype") == "m.notice"]
    assert sum("one of my own secrets" in body for body in told) == 2
    assert not any(secret in body for body in told)
    await room.bot.stop()
    assert secret not in room.bot.log.read_text()
    for file in cage.folder.glob("gantry.db*"):
        assert secret.encode() not in file.read_bytes()


async def test_a_login_that_fails_does_not_tell_what_with(
    homeserver: Homeserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    password = "canary-that-opens-nothing"
    account = await homeserver.register("locked-out")
    wrong = Account(account.user_id, "", "", password)
    bot = BotProcess(tmp_path, settings(tmp_path, homeserver.url, wrong, "!a:b", []))
    await bot.start(ready=False)
    assert await bot.wait() == 1
    assert "the homeserver says no" in bot.log.read_text()
    assert not list(leaks(bot.log.read_text(), [password]))


async def test_a_homeserver_that_echoes_what_it_got_is_not_quoted(cage: Cage):
    """A proxy in between may answer an error with the request in it."""
    room = cage.room

    def echo(request: aiohttp.web.Request) -> aiohttp.web.Response | None:
        if not request.path.endswith("/sync"):
            return None
        room.proxy.trouble = None
        said = {"errcode": "M_UNKNOWN", "error": f"{request.headers.get('Authorization')}"}
        return aiohttp.web.json_response(said, status=500)

    room.proxy.trouble = echo
    assert (await room.says("!ping")).state == "succeeded"
    assert (await room.says("!ping")).state == "succeeded"
    [why] = [line["why"] for line in room.bot.lines() if line["event"] == "cannot sync"]
    assert "Bearer •••" in why
    assert "syt_" not in why
