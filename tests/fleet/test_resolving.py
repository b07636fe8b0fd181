"""What a service turns out to be made of, kept with each success."""

from datetime import timedelta

from domain.errors import Unreachable
from domain.replicas import Observed, Phase, Replica, ReplicaId
from fleet.resolving import merged, newest, resolved

from .world import spec

ONE = spec("tiny://ops")


def replica(world, ordinal, made_of, *, phase=Phase.READY, revision="aaaaaa", age=0):
    since = world.clock.now() - timedelta(seconds=age)
    name = ReplicaId("tiny", revision, ordinal)
    return Replica(name, "a", phase, "op", "http://x", since, None, made_of)


async def kept(world):
    async with world.store.transaction() as tx:
        return (await tx.services.history("tiny"))[0].resolved


def test_the_newest_replica_that_is_ready_tells(world):
    old, new, other = ((("sha256", word),) for word in ("old", "new", "other"))
    seen = Observed(
        "tiny",
        "a",
        world.clock.now(),
        (
            replica(world, 0, new, age=5),
            replica(world, 1, old, age=9),
            replica(world, 2, other, phase=Phase.LOADING),
            replica(world, 3, other, revision="bbbbbb"),
            replica(world, 4, ()),
        ),
    )
    assert newest(seen, "aaaaaa") == new
    assert newest(seen, "cccccc") == ()


def test_what_another_target_has_otherwise_is_told_with_its_name():
    first = (("sha256", "1"), ("engine", "x"), ("command", "0"))
    other = (("sha256", "2"), ("engine", "x"), ("command", "1"))
    assert merged([("a", ()), ("b", first), ("c", other)]) == (*first, ("sha256 on c", "2"))
    assert merged([("a", ())]) == merged([]) == ()


async def test_a_success_keeps_it(world):
    await world.change(ONE)
    (made_of,) = {each.made_of for each in (await world.seen()).ready}
    assert await kept(world) == made_of != ()


async def test_what_could_not_be_told_then_is_filled_in_later(world):
    await world.change(ONE.scaled(0))
    assert await kept(world) == ()
    await world.change(ONE, "again")
    async with world.store.transaction() as tx:
        (revision,) = await tx.services.history("tiny")
    assert dict(revision.resolved)["engine"] == "rehearsal"


async def test_who_was_seen_as_it_was_admitted_is_not_asked_again(world):
    class Asked:
        async def observe(self, service):
            return Observed(
                "tiny", "a", world.clock.now(), (replica(world, 0, other, revision=ONE.revision),)
            )

    seen, other = (("sha256", "seen"),), (("sha256", "other"),)
    ready = replica(world, 0, seen, revision=ONE.revision)
    loading = replica(world, 0, seen, revision=ONE.revision, phase=Phase.LOADING)

    for found, told in ((ready, seen), (loading, other)):
        admitted = {"a": Observed("tiny", "a", world.clock.now(), (found,))}
        assert await resolved({"a": Asked()}, ONE, admitted) == told


async def test_a_target_that_does_not_answer_keeps_no_success_from_being_one(world):
    class Gone:
        async def observe(self, service):
            raise Unreachable("gone")

    assert await resolved({"a": Gone()}, ONE) == ()
    assert await resolved({}, ONE) == ()
