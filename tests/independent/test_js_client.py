"""The independent client is a fair judge: it reads, is read, and refuses when it should."""

from __future__ import annotations

import base64

import nio
import pytest

from bot.demo.homeserver import Homeserver

from .conftest import Pair
from .js_client import JsClient, JsError

pytestmark = pytest.mark.room

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_what_one_says_the_other_reads_decrypted(pair: Pair) -> None:
    asked = await pair.js.send(pair.room, "!ping")
    heard = await pair.nio.sees(asked)
    answered = await pair.nio.says(pair.room, "pong", **_relation("m.in_reply_to", asked))

    reply = await pair.js.wait_for(pair.room, relates_to=asked, sender=pair.nio.user_id)

    assert isinstance(heard, nio.RoomMessageText)
    assert (heard.body, heard.decrypted) == ("!ping", True)
    assert (reply.event_id, reply.text) == (answered, "pong")
    assert (reply.encrypted, reply.failure) == (True, None)


async def test_edits_replace_what_was_said(pair: Pair) -> None:
    first = await pair.nio.says(pair.room, "10 %")
    new = {"msgtype": "m.text", "body": "done"}
    edit = await pair.nio.says(
        pair.room, "* done", **{"m.new_content": new}, **_relation("m.replace", first)
    )
    own = await pair.js.send(pair.room, "!statsu")
    corrected = await pair.js.edit(pair.room, own, "!status")

    shown = await pair.js.until(pair.room, lambda event: event.edit_id == edit)
    heard = await pair.nio.sees(corrected)

    assert (shown.event_id, shown.text) == (first, "done")
    assert heard.source["content"]["m.new_content"]["body"] == "!status"
    assert _related(heard) == ("m.replace", own)


async def test_threads_keep_their_root(pair: Pair) -> None:
    root = await pair.js.send(pair.room, "!logs qwen")
    line = await pair.nio.says(pair.room, "line 1", **_relation("m.thread", root))
    more = await pair.js.send(pair.room, "more", thread=root, reply_to=line)

    shown = await pair.js.wait_for(pair.room, relates_to=root, rel_type="m.thread", text="line")
    heard = await pair.nio.sees(more)

    assert (shown.event_id, shown.text) == (line, "line 1")
    assert _related(heard) == ("m.thread", root)
    assert heard.source["content"]["m.relates_to"]["m.in_reply_to"] == {"event_id": line}


async def test_reactions_arrive_and_can_be_taken_back(pair: Pair) -> None:
    asked = await pair.js.send(pair.room, "!stop qwen")
    relation = {"rel_type": "m.annotation", "event_id": asked, "key": "👀"}
    await pair.nio.send(pair.room, {"m.relates_to": relation}, "m.reaction")
    approval = await pair.js.react(pair.room, asked, "✅")

    shown = await pair.js.wait_for(pair.room, relates_to=asked, sender=pair.nio.user_id)
    heard = await pair.nio.sees(approval)
    gone = await pair.nio.sees(await pair.js.redact(pair.room, approval))

    assert shown.type == "m.reaction"
    assert shown.relation == relation
    assert isinstance(heard, nio.ReactionEvent)
    assert (heard.reacts_to, heard.key) == (asked, "✅")
    assert isinstance(gone, nio.RedactionEvent)
    assert gone.redacts == approval


async def test_pictures_decrypt_both_ways(pair: Pair) -> None:
    ours = await pair.js.send_image(pair.room, PNG)
    theirs = await pair.nio.send_image(pair.room, PNG)
    await pair.js.wait_for(pair.room, event_id=theirs)

    assert await pair.nio.image(await pair.nio.sees(ours)) == PNG
    assert await pair.js.download(pair.room, theirs) == PNG


async def test_it_tells_a_signed_device_from_one_that_nobody_signed(pair: Pair) -> None:
    own = await pair.js.wait_for(pair.room, event_id=await pair.js.send(pair.room, "mine"))
    theirs = await pair.js.wait_for(pair.room, event_id=await pair.nio.says(pair.room, "theirs"))

    assert own.shield == {"colour": "none", "reason": None}
    assert theirs.shield == {"colour": "red", "reason": "UNSIGNED_DEVICE"}
    assert (await pair.js.device_trust(pair.js.user_id, pair.js.device_id)).signed_by_owner
    trust = await pair.js.device_trust(pair.nio.user_id, pair.nio.device_id)
    assert (trust.known, trust.signed_by_owner) == (True, False)


async def test_excluding_insecure_devices_leaves_an_unsigned_one_in_the_dark(pair: Pair) -> None:
    before = await pair.js.send(pair.room, "for everybody")
    async with pair.js.excluding_insecure_devices():
        secret = await pair.js.send(pair.room, "for signed devices")
        doubted = await pair.nio.says(pair.room, "believe me")
        shown = await pair.js.wait_for(pair.room, event_id=doubted, readable=False)
    after = await pair.js.send(pair.room, "for everybody again")

    assert shown.failure == "UNSIGNED_SENDER_DEVICE"
    assert isinstance(await pair.nio.sees(before), nio.RoomMessageText)
    assert isinstance(await pair.nio.sees(after), nio.RoomMessageText)
    assert isinstance(await pair.nio.sees(secret), nio.MegolmEvent)


async def test_excluding_insecure_devices_leaves_signed_ones_in(
    js: JsClient, homeserver: Homeserver
) -> None:
    async with JsClient.start() as colleague, js.excluding_insecure_devices():
        await colleague.login(homeserver.url, await homeserver.register("colleague"))
        room = await js.create_room(colleague.user_id)
        await colleague.join(room)
        asked = await js.send(room, "for signed devices")
        answered = await colleague.send(room, "read", reply_to=asked)

        heard = await colleague.wait_for(room, event_id=asked)
        shown = await js.wait_for(room, relates_to=asked)

    assert heard.text == "for signed devices"
    assert (shown.event_id, shown.text, shown.failure) == (answered, "read", None)
    assert shown.shield == {"colour": "none", "reason": None}


async def test_a_failure_says_what_the_client_said(js: JsClient) -> None:
    with pytest.raises(JsError, match="!nowhere:x is not a room"):
        await js.events("!nowhere:x")


async def test_a_client_that_is_gone_fails_whoever_asks(js_installed: None) -> None:
    async with JsClient.start() as client:
        await client.ask("stop")
        for _ in range(2):
            with pytest.raises(JsError, match="events: the client is gone"):
                await client.events("!any:x")


def _relation(kind: str, event_id: str) -> dict[str, object]:
    if kind == "m.in_reply_to":
        return {"m.relates_to": {kind: {"event_id": event_id}}}
    return {"m.relates_to": {"rel_type": kind, "event_id": event_id}}


def _related(event: nio.Event) -> tuple[str, str]:
    relation = event.source["content"]["m.relates_to"]
    return relation["rel_type"], relation["event_id"]
