"""Following logs over streams that break, replicas that end and targets that go away."""

import asyncio
from dataclasses import dataclass, field

import pytest

from deployers.protocol import Capabilities
from domain.errors import UnknownName, Unreachable
from domain.replicas import Observed, Phase, Replica, ReplicaId
from fleet.following import LOOK_EVERY, Following
from fleet.store.services import Wanted

from .world import ROOM, spec, until

BOTH = spec(a=1, b=1)


@dataclass
class Scribe:
    """A target with one replica, whose log a test writes. Its streams end without an error."""

    name: str
    clock: object
    capabilities: Capabilities = field(default_factory=Capabilities)
    log: list[str] = field(default_factory=list)
    phase: Phase | None = Phase.READY
    reason: str | None = None
    away: str = ""
    mute: bool = False
    """Streams stay open, and nothing comes."""
    streams: int = 0
    opened: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self):
        return ReplicaId("tiny", BOTH.revision, 0)

    def write(self, *lines):
        self.log += lines
        self._turn()

    def end(self, phase, reason=None):
        self.phase, self.reason = phase, reason
        self._turn()

    def cut(self):
        self._cut.set()
        self._cut = asyncio.Event()
        self._turn()

    def _turn(self):
        self._news.set()
        self._news = asyncio.Event()

    async def observe(self, service):
        if self.away:
            raise Unreachable(self.away)
        replica = Replica(self.id, self.name, self.phase, "op1", reason=self.reason)
        held = (replica,) if self.phase and service == "tiny" else ()
        return Observed(service, self.name, self.clock.now(), held)

    async def logs(self, replica, *, tail, follow):
        if self.phase is None:
            raise UnknownName(f"{self.name} remembers no {replica}")
        cut, told = self._cut, max(0, len(self.log) - tail)
        self.streams, self.opened = self.streams + 1, self.opened + 1
        try:
            while True:
                news, alive = self._news, self.phase is not None and self.phase.alive
                while told < len(self.log) and not (self.mute and follow):
                    told += 1
                    yield Line(replica, self.log[told - 1])
                if not follow or not alive or cut.is_set():
                    return
                await news.wait()
                if cut.is_set():
                    return
        finally:
            self.streams -= 1


@dataclass(frozen=True)
class Line:
    replica: ReplicaId
    text: str


class Ear:
    def __init__(self):
        self.heard, self.notes = [], []

    def line(self, line):
        self.heard.append(line.text)

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
async def follow(world):
    """Two scribes, a service wanted on both, and a way to follow it."""
    world.deployers |= {name: Scribe(name, world.clock) for name in "ab"}
    world.new_fleet()
    world.clock.flows = False
    async with world.store.transaction() as tx:
        await tx.services.put(Wanted(BOTH, ROOM, "op", world.clock.now()))
    tasks = []

    def begin(tail=20):
        ear = Ear()
        following = Following(world.fleet.survey, world.clock, "tiny", tail, ear)
        tasks.append(asyncio.create_task(following.run()))
        ear.task = tasks[-1]
        return ear

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def looks(world):
    """Let it look once more."""
    await until(lambda: world.clock.waiting)
    (before,) = world.clock._sleepers
    world.clock.passes(LOOK_EVERY)
    await until(lambda: world.clock.waiting and world.clock._sleepers != [before])


async def test_the_last_lines_come_first_and_then_each_new_one(world, follow):
    a, b = world.deployers["a"], world.deployers["b"]
    a.write("old", "one", "two")
    ear = follow(tail=2)
    await until(lambda: len(ear.heard) == 2)
    a.write("three")
    b.write("here too")
    await until(lambda: len(ear.heard) == 4)
    assert ear.heard == ["one", "two", "three", "here too"]
    assert ear.notes == []


async def test_a_stream_that_ends_while_the_replica_lives_is_taken_up_where_it_stopped(
    world, follow
):
    a = world.deployers["a"]
    a.write("one", "two")
    ear = follow()
    await until(lambda: ear.heard == ["one", "two"])
    for number in range(3):
        a.cut()
        await until(lambda: not a.streams)
        a.log += [f"meanwhile {number}", "the same"]
        await looks(world)
        await until(lambda n=number: ear.heard[-2:] == [f"meanwhile {n}", "the same"])
        await until(lambda: a.streams)
        a.write(f"after {number}")
        await until(lambda n=number: ear.heard[-1] == f"after {n}")
    assert ear.heard == a.log
    assert ear.notes == []


async def test_it_is_said_when_lines_may_have_been_missed(world, follow):
    a = world.deployers["a"]
    a.write("one")
    ear = follow()
    await until(lambda: ear.heard)
    a.cut()
    await until(lambda: not a.streams)
    a.log[:] = ["another log"]
    await looks(world)
    await until(lambda: ear.heard == ["one", "another log"])
    assert ear.notes == [f"lines of {a.id} may be missing here"]


@pytest.mark.parametrize(
    ("phase", "reason", "told"),
    [
        (Phase.FAILED, "out of memory", "failed: out of memory"),
        (Phase.STOPPED, None, "stopped"),
        (None, None, "is gone"),
    ],
)
async def test_how_a_replica_ended_is_told_and_the_others_are_followed(
    world, follow, phase, reason, told
):
    a, b = world.deployers["a"], world.deployers["b"]
    ear = follow()
    await until(lambda: a.streams and b.streams)
    a.write("last words")
    a.end(phase, reason)
    while not ear.notes:
        await looks(world)
    assert ear.notes == [f"{a.id} {told}"]
    assert ear.heard == ["last words"]
    b.write("still here")
    await until(lambda: "still here" in ear.heard)
    assert not ear.task.done()


async def test_last_words_that_a_broken_stream_did_not_bring_are_read_afterwards(world, follow):
    a = world.deployers["a"]
    ear = follow()
    a.write("one")
    await until(lambda: ear.heard)
    a.cut()
    await until(lambda: not a.streams)
    a.log.append("CUDA out of memory")
    a.end(Phase.FAILED, "out of memory")
    while not ear.notes:
        await looks(world)
    assert ear.heard == ["one", "CUDA out of memory"]


async def test_it_ends_when_nothing_is_left_that_could_write(world, follow):
    ear = follow()
    await until(lambda: world.deployers["b"].streams)
    for name in "ab":
        world.deployers[name].end(Phase.FAILED, "crashed")
    while not ear.task.done():
        world.clock.passes(LOOK_EVERY)
        await asyncio.sleep(0.001)
    assert len(ear.notes) == 2


async def test_a_target_that_is_down_is_told_once_and_followed_again_when_it_is_back(world, follow):
    a, b = world.deployers["a"], world.deployers["b"]
    b.away = "b: connection refused"
    ear = follow()
    a.write("one")
    await until(lambda: ear.heard == ["one"])
    for _ in range(3):
        await looks(world)
    assert ear.notes == ["b: connection refused"]
    b.away = ""
    b.write("two")
    await looks(world)
    await until(lambda: ear.heard == ["one", "two"])
    assert ear.notes[1:] == ["b answers again"]


async def test_a_stream_to_a_target_that_went_silent_is_not_trusted_afterwards(world, follow):
    """A frozen tunnel keeps the stream open for ever, and nothing comes."""
    a = world.deployers["a"]
    ear = follow()
    a.write("one")
    await until(lambda: ear.heard == ["one"])
    a.mute, a.away = True, "a does not answer"
    a.write("two")
    await looks(world)
    a.mute, a.away = False, ""
    await looks(world)
    await until(lambda: ear.heard == ["one", "two"])


async def test_a_target_that_cannot_follow_is_read_again_and_again(world, follow):
    a = world.deployers["a"]
    a.capabilities = Capabilities(follow_logs="it has no streams")
    a.write("one")
    ear = follow()
    await until(lambda: ear.heard == ["one"])
    a.log += ["two", "three"]
    await looks(world)
    await until(lambda: ear.heard == ["one", "two", "three"])


async def test_a_replica_that_starts_meanwhile_is_followed_too(world, follow):
    b = world.deployers["b"]
    b.phase = None
    ear = follow()
    await until(lambda: world.deployers["a"].streams)
    b.phase = Phase.LOADING
    b.write("loading")
    await looks(world)
    await until(lambda: ear.heard == ["loading"])


async def test_a_flood_leaves_others_their_turn(world, follow):
    a = world.deployers["a"]
    ear, turns = follow(tail=500), 0
    await until(lambda: a.streams)
    a.write(*(f"line {number}" for number in range(20_000)))
    while len(ear.heard) < 20_000:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    assert ear.heard[-1] == "line 19999"


async def test_of_a_name_nobody_knows_that_is_said(world, follow):
    following = Following(world.fleet.survey, world.clock, "tinny", 20, Ear())
    with pytest.raises(UnknownName, match="no service `tinny`"):
        await following.find()


async def test_no_stream_is_left_open(world, follow):
    ear = follow()
    a, b = world.deployers["a"], world.deployers["b"]
    await until(lambda: a.streams and b.streams)
    ear.task.cancel()
    await asyncio.wait([ear.task])
    assert a.streams == b.streams == 0
