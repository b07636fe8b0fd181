import random

from hypothesis import given
from hypothesis import strategies as st

from domain.replicas import ReplicaId
from inference.endpoints import Endpoint
from inference.routing import order


def endpoint(ordinal, in_flight, capacity, admitted):
    replica = ReplicaId("tiny", "3fa9c1", ordinal)
    return Endpoint("tiny", replica, "", "http://somewhere", capacity, in_flight, admitted)


tables = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.booleans()), max_size=8).map(
    lambda rows: [endpoint(n, *row) for n, row in enumerate(rows)]
)
rngs = st.integers().map(random.Random)


@given(tables, st.sets(st.integers(0, 7)), rngs)
def test_exactly_the_admitted_and_not_excluded_are_asked(table, excluded, rng):
    exclude = frozenset(("", ReplicaId("tiny", "3fa9c1", n)) for n in excluded)
    chosen = order(table, exclude=exclude, rng=rng)
    fit = [e for e in table if e.admitted and e.place not in exclude]
    assert sorted(e.replica for e in chosen) == [e.replica for e in fit]


@given(tables, rngs)
def test_those_after_the_first_follow_by_load(table, rng):
    loads = [e.load for e in order(table, exclude=frozenset(), rng=rng)][1:]
    assert loads == sorted(loads)


@given(tables, rngs)
def test_the_busiest_is_never_first_while_there_is_another(table, rng):
    chosen = order(table, exclude=frozenset(), rng=rng)
    loads = sorted(e.load for e in chosen)
    if len(loads) > 1 and loads[-1] > loads[-2]:
        assert chosen[0].load < loads[-1]


def test_load_is_relative_to_capacity():
    small, large = endpoint(0, 2, 2, True), endpoint(1, 3, 8, True)
    assert order([small, large], exclude=frozenset(), rng=random.Random(1))[0] is large


def test_equals_share_the_work():
    rng = random.Random(1)
    table = [endpoint(n, 0, 4, True) for n in range(4)]
    firsts = [order(table, exclude=frozenset(), rng=rng)[0].replica.ordinal for _ in range(4000)]
    assert all(800 < firsts.count(n) < 1200 for n in range(4))
