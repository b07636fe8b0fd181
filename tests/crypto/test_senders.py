"""Who encrypted a message, and whether that device's owner stands by it, on a real homeserver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nio
import pytest

from bot.demo.homeserver import Homeserver
from bot.matrix.answers import Answer, LoggedOut
from bot.matrix.crypto.cross_signing import ensure_identity, reset_identity
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.published_keys import Published, published
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.senders import NOBODY, Author, Seal, Senders, author
from domain.errors import Unreachable

from .party import Party, another_device, arrived, line_to, logged_in
from .talk import client_of, encrypted_room, say

pytestmark = pytest.mark.room


@pytest.fixture
async def signed(homeserver: Homeserver) -> AsyncIterator[Party]:
    """A device that its account vouches for."""
    async with arrived(homeserver) as party:
        recovery = RecoveryKey.generate()
        await ensure_identity(party.request, party.user_id, party.device, recovery, None)
        yield party


def seal_of(keys: Published, device: str) -> Seal:
    return Seal(keys.device_key(device, "curve25519") or "", "session")


async def test_a_signed_device_is_vouched_for_and_another_of_the_account_is_not(
    signed: Party, homeserver: Homeserver
):
    async with another_device(homeserver, signed) as second:
        keys = await signed.published()
        first = signed.device
        mine = author(keys, seal_of(keys, first.device_id), first.ed25519)
        other = author(keys, seal_of(keys, second.device.device_id), second.device.ed25519)
    assert mine == Author(first.device_id, keys.public("master"))
    assert other == Author(second.device.device_id)


async def test_a_device_that_claims_another_signing_key_is_not_vouched_for(signed: Party):
    keys, name = await signed.published(), signed.device.device_id
    assert author(keys, seal_of(keys, name), "A" * 43) == Author(name)


async def test_a_key_that_no_device_has_is_nobodys(signed: Party):
    keys = await signed.published()
    assert author(keys, Seal("B" * 43, "session"), signed.device.ed25519) == NOBODY


@pytest.mark.parametrize("broken", ["master", "self_signing", "device", "copied"])
async def test_a_chain_with_a_broken_link_vouches_for_nobody(
    signed: Party, homeserver: Homeserver, broken: str
):
    """As a homeserver would show it that puts a key of its own in between."""
    keys, name = await signed.published(), signed.device.device_id
    seal = seal_of(keys, name)
    async with arrived(homeserver) as evil:
        await ensure_identity(evil.request, evil.user_id, evil.device, RecoveryKey.generate(), None)
        theirs = await evil.published()
    if broken == "device":
        device = {**keys.devices[name], "signatures": {}}
        keys = replace(keys, devices={name: device})
    elif broken == "copied":  # a device of somebody else's, said to be this account's
        other = evil.device.device_id
        seal = seal_of(theirs, other)
        keys = replace(keys, devices={other: theirs.devices[other]})
    else:
        put: Any = {broken: {**theirs.identity[broken], "user_id": keys.user_id}}  # type: ignore[index]
        keys = replace(keys, identity={**keys.identity, **put})
    claimed = evil.device.ed25519 if broken == "copied" else signed.device.ed25519
    assert author(keys, seal, claimed).master is None


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"device_keys": 7, "master_keys": [], "self_signing_keys": "x"},
        {"device_keys": {"@a:x": {"D": None, "E": {"keys": 1}, "\ud800": {"signatures": []}}}},
        {"device_keys": {"@a:x": {"D": {"keys": {"curve25519:D": "c", "ed25519:D": 3}}}}},
        {
            "master_keys": {"@a:x": {"user_id": "@a:x", "usage": ["master"], "keys": {"a": 1}}},
            "device_keys": {"@a:x": {"\ud800": {"keys": {"curve25519:\ud800": "c"}}}},
        },
    ],
)
def test_keys_of_any_shape_prove_nothing_and_break_nothing(answer: Any):
    found = author(published("@a:x", answer), Seal("c", "session"), "claimed")
    assert found.master is None
    (found.device or "").encode()


@dataclass(frozen=True)
class Talk:
    """A room in which somebody speaks and the bot listens."""

    bot: nio.AsyncClient
    ann: nio.AsyncClient
    party: Party
    senders: Senders
    room: str

    async def hears(self) -> Author:
        """Say something, and who the bot takes its author for."""
        await say(self.ann, self.room, "!ping")
        answer = await self.bot.sync(timeout=0)
        event = answer.rooms.join[self.room].timeline.events[-1]
        assert event.decrypted
        self.senders.changed({*answer.device_list.changed})
        await self.senders.meet([event.sender])
        return self.senders.of(self.room, event.sender, Seal(event.sender_key, event.session_id))


@pytest.fixture
async def talk(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Talk]:
    """Nobody vouches for anybody yet."""
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(arrived(homeserver, keys=False)) for _ in "12"]
        clients = []
        for party in people:
            device, token = await logged_in(party.request, party.account)
            store = tmp_path / device
            arriving = client_of(homeserver, party.user_id, device, token, store)
            clients.append(await stack.enter_async_context(arriving))
        bot, ann = clients
        room = await encrypted_room(ann, bot)
        request = await stack.enter_async_context(line_to(homeserver, bot.access_token))
        yield Talk(bot, ann, people[1], Senders(bot, request), room)


async def identified(talk: Talk, *, anew: bool = False) -> str:
    """Have the one who speaks vouch for their device. Returns the master key."""
    party, device = talk.party, OwnDevice.of(talk.ann)
    make = reset_identity if anew else ensure_identity
    identity = await make(
        party.request,
        party.user_id,
        device,
        RecoveryKey.generate(),
        party.password,
    )
    return identity.master


async def test_a_device_counts_as_vouched_for_as_soon_as_its_owner_signs_it(talk: Talk):
    assert await talk.hears() == Author(talk.ann.device_id)
    master = await identified(talk)
    assert await talk.hears() == Author(talk.ann.device_id, master)


async def test_another_identity_is_seen_by_its_other_master_key(talk: Talk):
    first = await identified(talk)
    assert (await talk.hears()).master == first
    second = await identified(talk, anew=True)
    assert first != second
    assert (await talk.hears()).master == second


async def test_what_a_passed_on_room_key_decrypts_may_be_from_anybody(talk: Talk):
    await identified(talk)
    await talk.hears()
    [session] = [s for s in talk.bot.olm.inbound_group_store if s.sender_key == _key(talk.ann)]
    session.forwarding_chain.append(session.sender_key)
    seal = Seal(session.sender_key, session.id)
    assert talk.senders.of(talk.room, talk.ann.user_id, seal) == Author(talk.ann.device_id)


async def test_nobody_speaks_in_the_name_of_somebody_else(talk: Talk):
    """A homeserver may write another sender on an event; the key is still its device's."""
    await identified(talk)
    await talk.hears()
    await talk.senders.meet([talk.bot.user_id])
    [session] = [s for s in talk.bot.olm.inbound_group_store if s.sender_key == _key(talk.ann)]
    seal = Seal(session.sender_key, session.id)
    assert talk.senders.of(talk.room, talk.bot.user_id, seal) == NOBODY


async def test_keys_that_cannot_be_had_are_done_without_and_not_asked_for_at_once(talk: Talk):
    asked = []

    async def silent(method: str, path: str, body: Any) -> Answer:
        asked.append(path)
        raise Unreachable("gone")

    senders = Senders(talk.bot, silent)
    for _ in range(3):
        await senders.meet([talk.ann.user_id])
    assert senders.of(talk.room, talk.ann.user_id, Seal(_key(talk.ann), "none")) == NOBODY
    assert len(asked) == 1
    senders.changed([talk.ann.user_id])
    await senders.meet([talk.ann.user_id])
    assert len(asked) == 2


async def test_a_homeserver_that_does_not_answer_for_another_says_nothing_of_its_people(
    talk: Talk,
):
    """Nothing must be read out of a missing answer, and keys of others are taken."""
    asked = []

    async def half(method: str, path: str, body: Any) -> Answer:
        asked.append(sorted(body["device_keys"]))
        return Answer(200, {"device_keys": {}, "failures": {"gone.example": {"status": 503}}})

    senders = Senders(talk.bot, half)
    for _ in range(2):
        await senders.meet(["@ann:gone.example", "@bob:example.org"])
    senders.changed(["@bob:example.org"])
    await senders.meet(["@ann:gone.example", "@bob:example.org"])
    assert asked == [["@ann:gone.example", "@bob:example.org"], ["@bob:example.org"]]


async def test_a_login_that_is_gone_is_not_taken_for_missing_keys(talk: Talk):
    async def out(method: str, path: str, body: Any) -> Answer:
        return Answer(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "no"})

    with pytest.raises(LoggedOut):
        await Senders(talk.bot, out).meet([talk.ann.user_id])


def _key(client: nio.AsyncClient) -> str:
    return str(client.olm.account.identity_keys["curve25519"])
