"""`!status` of backends and routes: how those stand that can be asked, and who would be."""

import pytest
from pydantic import SecretStr

from domain.backends import Backend, Tier
from domain.replicas import ReplicaId
from domain.routes import Member, Route
from domain.usage import Fault
from inference.endpoints import FOREIGN
from tests.fleet.world import spec
from tests.inference.served import served

from .homeserver import ROOM

KEY = SecretStr("open-sesame-42")
STUDIO = Backend("studio", "lmstudio", "http://studio:1234/sesame", KEY, (("small", "qwen3-4b"),))
CLAUDE = Backend("claude", "anthropic", "https://api.example", KEY, tier=Tier.CLOUD)


@pytest.fixture
def backends(desk):
    for each in (STUDIO, CLAUDE):
        desk.world.endpoints.admit_backend(each)
    return [desk.world.endpoints.of(each.name)[0] for each in (STUDIO, CLAUDE)]


@pytest.fixture
def route(desk, backends):
    members = (Member("claude"), Member("tiny"), Member("studio"), Member("gone", 10))
    desk.router.routes = {"chat": Route("chat", members)}
    desk.world.endpoints.take(["chat"])


def rows(text, first):
    """Cells of the row that begins with a word; two spaces or more are between them."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"{first} ")]
    return [cell.strip() for cell in found.split("  ") if cell.strip()]


def said_of(endpoint, **more):
    return served(model="studio", backend=endpoint.service, replica="", target="", **more)


async def test_backends_stand_below_the_services(desk, world, backends):
    await world.change(spec())
    lines = (await desk.says("!status")).splitlines()
    assert [line.split()[0] for line in lines] == ["service", "tiny", "backend", "claude", "studio"]
    assert lines[4].split() == ["studio", "lmstudio", "✓", "0/16"]
    assert "Routes" not in "".join(lines)


async def test_without_a_service_they_are_told_nevertheless(desk, backends):
    first, head, *_ = (await desk.says("!status")).splitlines()
    assert first == "Nothing is deployed. Try `!deploy tiny tiny://ops`"
    assert head.split()[:2] == ["backend", "kind"]


async def test_what_they_do_and_what_became_of_the_last_minute(desk, world, backends):
    studio, _ = backends
    desk.telemetry.publish(said_of(studio))
    desk.telemetry.publish(said_of(studio, fault=Fault.FAILED))
    with world.endpoints.lease(studio.replica):
        told = await desk.says("!status")
    assert "1/16" in rows(told, "studio")
    assert "2 requests, 1 not answered whole (1 failed)" in told
    lines = (await desk.says("!status studio")).splitlines()
    assert lines[0] == "✓ studio: a backend (lmstudio) · 0/16 in flight · models small"
    assert lines[1].startswith("In the last minute: 2 requests, 1 not answered whole (1 failed) · ")
    assert "first token after 500 ms" in lines[1]
    assert len(lines) == 2


async def test_one_that_is_left_alone_says_since_when_and_why(desk, backends):
    studio, _ = backends
    desk.router.health.failed(studio, "it takes no connections", certain=True)
    desk.world.clock.passes(180)
    why = "left alone since 00:00 UTC (3 min): it takes no connections"
    listed = await desk.says("!status")
    assert rows(listed, "studio")[2:] == ["✗", "0/16", why]
    first, last = (await desk.says("!status studio")).splitlines()
    assert first.startswith("✗ studio")
    assert last == f"L{why[1:]}."


async def test_one_that_asked_to_be_left_alone_is_not_told_as_away(desk, backends):
    studio, _ = backends
    desk.router.health.cooling.begin(studio, 30)
    first, last = (await desk.says("!status studio")).splitlines()
    assert first.startswith("⏸ studio")
    assert last == "Wants to be asked again in 30 s; until then others go first."
    desk.world.clock.passes(30)
    assert (await desk.says("!status studio")).startswith("✓ studio")


async def test_neither_keys_nor_addresses_are_told(desk, backends, route):
    for command in ("!status", "!status studio", "!status @chat"):
        told = await desk.says(command)
        assert "sesame" not in told
        assert "1234" not in told


async def test_a_route_tells_its_members_and_who_would_be_asked(desk, world, backends, route):
    await world.change(spec(a=2))
    first, head, *members = (await desk.says("!status @chat")).splitlines()
    assert first == (
        "chat: a route, whose members are asked by what they run on. "
        "Now that is `tiny`, then `studio`, then `claude`."
    )
    assert head.split()[:3] == ["member", "is", "share"]
    assert [line.split()[:2] for line in members] == [
        ["claude", "anthropic"],
        ["tiny", "service"],
        ["studio", "lmstudio"],
        ["gone", "service"],
    ]
    assert rows("\n".join(members), "gone")[2:] == [
        *("10 of 100", "✗", "0"),
        "there is no such service or backend",
    ]
    assert await desk.says("!status chat") == "\n".join([first, head, *members])
    assert (await desk.says("!status")).splitlines()[-1] == (
        "Routes: `chat`. `!status @chat` tells who would be asked"
    )


async def test_who_does_not_answer_or_not_now_would_be_asked_last(desk, world, backends, route):
    await world.change(spec(a=2))
    studio, _ = backends
    tiny, other = world.endpoints.of("tiny")
    desk.router.health.failed(tiny, "it is gone", certain=True)
    assert "Now that is `tiny`, then `studio`" in await desk.says("!status @chat")
    desk.router.health.failed(other, "it is gone", certain=True)
    desk.router.health.cooling.begin(studio, 30)
    told = await desk.says("!status @chat")
    assert "Now that is `claude`, then `studio`, then `tiny`." in told
    assert rows(told, "tiny")[-1] == "2 of 2 are left alone; `!status tiny` tells why"
    assert "✗" in rows(told, "tiny")
    assert "⏸" in rows(told, "studio")


async def test_a_route_that_leads_to_nobody_says_so(desk, world, backends, route):
    await world.change(spec())
    await desk.says("!stop tiny")
    world.endpoints.withdraw(ReplicaId("studio", FOREIGN, 0))
    world.endpoints.withdraw(ReplicaId("claude", FOREIGN, 0))
    told = await desk.says("!status @chat")
    assert "Nobody of them can be asked now." in told
    assert rows(told, "tiny")[-3:] == ["⏹", "0", "it is stopped"]
    assert rows(told, "studio")[-1] == "nobody is ready"


async def test_a_route_as_it_is_listed_is_told_in_that_order(desk, backends):
    members = (Member("claude"), Member("studio"))
    desk.router.routes = {"chat": Route("chat", members, as_listed=True)}
    told = await desk.says("!status chat")
    assert "asked as they are listed. Now that is `claude`, then `studio`." in told


async def test_a_replica_that_is_left_alone_says_why_at_its_service(desk, world):
    await world.change(spec())
    (tiny,) = world.endpoints.of("tiny")
    desk.router.health.failed(tiny, "it answered 500", certain=True)
    (row,) = [line for line in (await desk.says("!status tiny")).splitlines() if "tiny-" in line]
    assert rows(row, row.split()[0])[-1] == "left alone since 00:00 UTC (1 min): it answered 500"


async def test_a_name_that_leads_nowhere_is_answered_with_the_nearest_of_all(
    desk, world, backends, route
):
    await world.change(spec())
    for typed, meant in (("studo", "studio"), ("@chatt", "chat"), ("tinny", "tiny")):
        there = f"there is no service, backend or route `{typed.removeprefix('@')}`"
        assert await desk.says(f"!status {typed}") == (
            f"✗ status {typed}: {there}. Did you mean `{meant}`?"
        )


async def test_what_was_removed_is_not_told_to_be_meant_while_it_drains(desk, world, backends):
    world.endpoints.admit(ReplicaId("tiny", "3fa9c1", 0), "http://127.0.0.1:9", target="a")
    told = await desk.says("!status tiny")
    assert told.endswith("no service, backend or route `tiny`. There is claude, studio.")


async def test_where_there_are_only_services_nothing_else_is_spoken_of(desk, world):
    await world.change(spec())
    assert "there is no service `tinny`" in await desk.says("!status tinny")
    assert "backend" not in await desk.says("!status")


async def test_whoever_may_look_sees_them(desk, backends):
    told = await desk.says("!status studio", sender="@vera:example.org", room=ROOM)
    assert told.startswith("✓ studio")
