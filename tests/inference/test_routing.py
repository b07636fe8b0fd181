import math
import random

from hypothesis import given
from hypothesis import strategies as st

from domain.backends import Manner, Tier
from domain.replicas import ReplicaId
from domain.routes import Member, Route
from inference.endpoints import Endpoint
from inference.routing import order, ranking


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


def placed(service, tier=Tier.CPU, in_flight=0, capacity=4, target="", ordinal=0):
    replica = ReplicaId(service, "3fa9c1", ordinal)
    manner = Manner(tier=tier)
    return Endpoint(service, replica, target, "http://x", capacity, in_flight, True, manner)


def asked(table, **said):
    found = order(table, exclude=(), rng=random.Random(1), rank=ranking(**said))
    return [endpoint.service for endpoint in found]


CARD, CPU = placed("card", Tier.GPU), placed("cpu")
EXTERNAL, CLOUD = placed("external", Tier.EXTERNAL), placed("cloud", Tier.CLOUD)


def test_cards_come_before_processors_before_others_before_the_cloud():
    assert asked([CLOUD, CPU, EXTERNAL, CARD]) == ["card", "cpu", "external", "cloud"]


def test_a_full_card_makes_way_for_a_processor_and_never_for_the_cloud():
    full = placed("card", Tier.GPU, in_flight=4)
    assert asked([CLOUD, CPU, full]) == ["cpu", "card", "cloud"]
    assert asked([CLOUD, full]) == ["card", "cloud"]


def test_who_does_not_answer_comes_last_even_after_the_cloud():
    assert asked([CARD, CLOUD], sick={CARD.place}) == ["cloud", "card"]


def test_near_targets_are_asked_first_as_long_as_they_have_room():
    near, far = placed("near", target="a"), placed("far", Tier.GPU, target="b")
    assert asked([far, near], near={"a"}) == ["near", "far"]
    full = placed("near", target="a", in_flight=4)
    assert asked([far, full], near={"a"}) == ["far", "near"]


def test_a_route_that_is_as_listed_is_followed_as_listed():
    members = tuple(map(Member, ("cloud", "cpu", "card")))
    table = [CARD, CPU, CLOUD]
    assert asked(table, route=Route("r", members, as_listed=True)) == ["cloud", "cpu", "card"]
    assert asked(table, route=Route("r", members)) == ["card", "cpu", "cloud"]


def test_a_canary_is_first_when_the_lot_falls_on_it_and_last_otherwise():
    route = Route("r", (Member("card"), Member("cpu", 10)))
    assert [route.drawn(lot) for lot in (0.0, 0.099, 0.1, 0.999)] == ["cpu", "cpu", None, None]
    assert asked([CARD, CPU], route=route, first="cpu") == ["cpu", "card"]
    canary = Route("r", (Member("card", 10), Member("cpu")))
    assert asked([CARD, CPU], route=canary) == ["cpu", "card"]


@given(tables, st.text(max_size=8))
def test_affinity_leads_to_the_same_one_however_the_table_is_ordered(table, text):
    def first(rows):
        found = order(rows, exclude=(), rng=random.Random(), affinity=text or "x")
        return found[0].replica if found else None

    assert first(table) == first(table[::-1])


def conversations(held):
    """Of three hundred conversations on five replicas, of which `held` turns are under way at once:
    the part of later turns that find the replica of the first, and the largest part of all turns
    that one replica got, in fair shares."""
    rng, homes, served, under_way, hits = random.Random(3), {}, [0] * 5, [], 0
    turns = [f"talk {number}" for number in range(300)] * 10
    rng.shuffle(turns)
    for talk in turns:
        busy = map(under_way.count, range(5))
        table = [placed("t", in_flight=n, capacity=16, ordinal=i) for i, n in enumerate(busy)]
        best = order(table, exclude=(), rng=rng, affinity=talk)[0].replica.ordinal
        hits += homes.setdefault(talk, best) == best
        served[best] += 1
        under_way.append(best)
        if len(under_way) > held:
            under_way.pop(rng.randrange(held))
    return (hits - len(homes)) / (len(turns) - len(homes)), max(served) * 5 / len(turns)


def test_conversations_find_their_replica_again_and_none_gets_much_more_than_its_share():
    for held, found in ((10, 0.99), (40, 0.95), (60, 0.8)):
        hits, share = conversations(held)
        assert hits >= found, held
        assert share <= 1.25, held


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 16)), min_size=2, max_size=6))
def test_a_crowd_of_one_conversation_is_spread_once_its_replica_is_busy(loads):
    table = [
        placed("t", in_flight=in_flight, capacity=capacity, ordinal=ordinal)
        for ordinal, (in_flight, capacity) in enumerate(loads)
    ]
    first = order(table, exclude=(), rng=random.Random(1), affinity="all the same")[0]
    share = 1.25 * (sum(e.in_flight for e in table) + 1) / sum(e.capacity for e in table)
    assert first.in_flight < max(math.ceil(share * first.capacity), first.capacity)
