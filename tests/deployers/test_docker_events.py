"""What an engine's events amount to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deployers.docker.events import LOOP, REMINDER, Event, Story, event
from deployers.docker.looking import Seen
from deployers.docker.telling import incident
from domain.errors import Failure
from domain.incidents import Kind
from domain.replicas import ReplicaId

REPLICA = ReplicaId("tiny", "3fa9c1", 0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Container:
    """Events of one container, a second apart unless time passes."""

    def __init__(self) -> None:
        self.story, self.at, self.told = Story(), NOW, []

    def does(self, action: str, *, ready: bool = False, after: float = 1.0, **more) -> None:
        self.at += timedelta(seconds=after)
        each = Event("c0ffee", REPLICA, action, self.at, int(self.at.timestamp() * 1e9), **more)
        happening = self.story.hears(each, ready=ready)
        if happening is not None:
            self.told.append(happening.kind)

    def dies(self, **more) -> None:
        self.does("die", exit_code=1, **more)
        self.does("start")


@pytest.fixture
def container() -> Container:
    return Container()


def test_an_event_is_read_as_the_engine_writes_it():
    raw = {
        "Type": "container",
        "Action": "die",
        "Actor": {
            "ID": "c0ffee",
            "Attributes": {"exitCode": "137", "gantry.replica": "tiny-3fa9c1-0", "name": "x"},
        },
        "time": 1767225601,
        "timeNano": 1767225601123456789,
    }
    read = event(raw)
    assert read == Event(
        "c0ffee",
        REPLICA,
        "die",
        datetime(2026, 1, 1, 0, 0, 1, 123456, UTC),
        1767225601123456789,
        exit_code=137,
    )
    ill = event({**raw, "Action": "health_status: unhealthy"})
    assert (ill.action, ill.healthy) == ("health_status", False)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"Action": "die", "time": 1},
        {"Action": "die", "Actor": {"ID": "x", "Attributes": {"gantry.replica": "x"}}, "time": 1},
        {"Action": "exec_die", "Actor": {"Attributes": {"gantry.replica": "tiny-3fa9c1-0"}}},
    ],
)
def test_events_of_others_are_none_of_ours(raw):
    assert event(raw) is None


def test_a_death_by_itself_is_told(container):
    container.dies()
    assert container.told == [Kind.ENDED]


def test_a_loop_is_told_once_as_it_begins_and_then_every_hour(container):
    for _ in range(10):
        container.dies()
    assert container.told == [*[Kind.ENDED] * (LOOP - 1), Kind.RESTART_LOOP]
    container.told.clear()
    for _ in range(int(REMINDER.total_seconds() // 60)):
        container.dies(after=60)
    assert container.told == [Kind.RESTART_LOOP]


def test_deaths_that_are_far_apart_are_no_loop(container):
    for _ in range(5):
        container.dies(after=400)
    assert container.told == [Kind.ENDED] * 5


def test_a_death_that_somebody_asked_for_is_told_as_that(container):
    container.does("kill", signal=15)
    container.does("kill", signal=9, after=10)
    container.does("die", exit_code=137)
    assert container.told == [Kind.STOPPED]
    container.does("start")
    container.dies()
    assert container.told == [Kind.STOPPED, Kind.ENDED]


def test_a_signal_that_ends_nothing_asks_for_no_death(container):
    container.does("kill", signal=1)
    container.dies()
    assert container.told == [Kind.ENDED]


def test_the_kernel_ending_several_processes_at_once_is_one_incident(container):
    container.does("oom")
    container.does("oom")
    container.does("die", exit_code=137)
    assert container.told == [Kind.OUT_OF_MEMORY, Kind.OUT_OF_MEMORY]  # the second: it died of it


def test_a_replica_that_was_never_ready_is_not_called_unhealthy(container):
    """starting -> unhealthy -> healthy is what a slow start looks like."""
    container.does("start")
    container.does("health_status", healthy=False)
    container.does("health_status", healthy=True)
    assert container.told == []


@pytest.mark.parametrize("known", ["by its events", "by a token"])
def test_unhealthy_and_well_again_are_both_told_once(container, known):
    container.does("start")
    if known == "by its events":
        container.does("health_status", healthy=True)
    for _ in range(3):
        container.does("health_status", healthy=False, ready=known == "by a token")
    container.does("health_status", healthy=True)
    container.does("health_status", healthy=True)
    assert container.told == [Kind.UNHEALTHY, Kind.RECOVERED]


def test_a_new_run_begins_as_if_never_well(container):
    container.does("start")
    container.does("health_status", healthy=True)
    container.does("start")
    container.does("health_status", healthy=False)
    assert container.told == []


def told(kind: str, action: str, exit_code: int | None, failure: Failure, **more):
    story, at = Story(), int(NOW.timestamp() * 1e9)
    happening = None
    for name in ("oom", "die") if kind == "out-of-memory" and action == "die" else (action,):
        each = Event("c0ffee", REPLICA, name, NOW, at, exit_code, **more)
        happening = story.hears(each)
    there = Seen(
        id="c0ffee",
        replica=REPLICA,
        operation="op1",
        status="running",
        exit_code=None,
        out_of_memory=False,
        error="",
        started=NOW,
        ended=None,
        restarts=0,
        served=True,
        healthy=None,
        port=1,
        memory=64_000_000,
        hardware="cpu",
        made_of=(),
    )
    return incident(happening, there, failure, "wks")


def test_an_incident_says_why_with_limit_and_exit_code():
    starved = Failure("out-of-memory", "the kernel ended it for the memory it took", "ask for less")
    found = told("out-of-memory", "die", 137, starved)
    assert str(found) == (
        "tiny-3fa9c1-0 on wks ended: the kernel ended it for the memory it took (limit 64 MB), "
        "exit code 137; its engine starts it again [out-of-memory]"
    )
    assert (found.kind, found.for_a_person, found.upto) == (Kind.OUT_OF_MEMORY, True, NOW)


def test_a_process_in_it_that_was_ended_for_its_memory_is_told_apart():
    found = told("out-of-memory", "oom", None, Failure("crashed", "", ""))
    assert "lost a process to the kernel for the memory it took (limit 64 MB); it runs on" in str(
        found
    )
    assert found.failure == "out-of-memory"


def test_an_exit_code_is_not_said_twice():
    found = told("ended", "die", 3, Failure("crashed", "it ended by itself (exit code 3)", "look"))
    assert str(found).count("exit code") == 1
