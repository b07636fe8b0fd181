from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.replicas import Observed, Phase, Replica, ReplicaId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

names = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
revisions = st.from_regex(r"[0-9a-f]{6}", fullmatch=True)


@given(names, revisions, st.integers(0, 63))
def test_a_replica_is_known_again_by_its_name(service, revision, ordinal):
    replica = ReplicaId(service, revision, ordinal)
    assert ReplicaId.parse(str(replica)) == replica
    assert len(str(replica)) <= 63


def test_a_service_may_look_like_a_replica():
    assert ReplicaId.parse("tiny-3fa9c1-0-3fa9c1-1") == ReplicaId("tiny-3fa9c1-0", "3fa9c1", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tiny",
        "tiny-3fa9c1",
        "tiny-3fa9c1-",
        "tiny-3FA9C1-0",
        "tiny-3fa9c-0",
        "tiny-3fa9c1-x",
        "tiny-3fa9c1--1",
        "tiny-3fa9c1-0\n",
        "tiny-3fa9c1-٣",
        "tiny-3fa9c1-00",
        "../tiny-3fa9c1-0",
        "-3fa9c1-0",
    ],
)
def test_other_names_are_nobodys(text):
    with pytest.raises(ValueError, match="not a replica's name"):
        ReplicaId.parse(text)


def test_names_are_in_order_of_ordinals_not_of_letters():
    two, ten = ReplicaId("tiny", "3fa9c1", 2), ReplicaId("tiny", "3fa9c1", 10)
    assert sorted([ten, two]) == [two, ten]


@pytest.mark.parametrize("phase", list(Phase))
def test_only_what_has_not_begun_or_has_ended_holds_nothing(phase):
    assert phase.alive == (phase not in (Phase.PENDING, Phase.STOPPED, Phase.FAILED))


def test_an_observation_tells_the_living_and_the_ready():
    ids = [ReplicaId("tiny", "3fa9c1", n) for n in range(4)]
    phases = [Phase.READY, Phase.FAILED, Phase.DRAINING, Phase.LOADING]
    replicas = [Replica(i, "here", p, "op") for i, p in zip(ids, phases, strict=True)]
    seen = Observed("tiny", "here", NOON, tuple(reversed(replicas)))
    assert [r.id for r in seen.alive] == [ids[0], ids[2], ids[3]]
    assert [r.id for r in seen.ready] == [ids[0]]
    assert seen.find(ids[1]) == replicas[1]
    assert seen.find(ReplicaId("tiny", "3fa9c1", 9)) is None
