"""Whether replicas fit: model shapes against free memory, cards that others use included."""

import pytest

from domain.fit import Fit, Need
from domain.moments import given, measured, taken
from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.proposals import largest_context, quantisation, smaller, smaller_share
from domain.replicas import Gpu, ReplicaId, TargetFacts
from domain.services import Placement, ServiceSpec
from domain.sources import Source

GB = 1_000_000_000
OLD = [ReplicaId("m", "aaaaaa", n) for n in range(4)]
NEW = [ReplicaId("m", "bbbbbb", n) for n in range(4)]


def need(weights=4 * GB, per_token=100_000, tokens=10_000, overhead=0, **more):
    return Need(weights, per_token * tokens, overhead, tokens, **more)


def start(*which):
    return [Step(StepKind.START, NEW[n]) for n in which]


def stop(*which):
    return [Step(StepKind.STOP, OLD[n]) for n in which]


def plan(*steps, gpu="none"):
    want = ServiceSpec(
        name="m",
        source=Source("tiny", "ops"),
        placements=(Placement(target="t", replicas=1),),
        gpu=gpu,
    )
    return Plan("op", "t", want, tuple(steps), Fingerprint(frozenset()))


def cards(*free, total=24 * GB):
    return tuple(Gpu("a card", total, each) for each in free)


def on(free=None, *gpus):
    return TargetFacts("t", "process", True, memory_free=free, gpus=gpus)


@pytest.mark.parametrize(
    ("gpu", "replicas", "free", "gpus", "fits"),
    [
        ("none", 1, 5 * GB, (), True),
        ("none", 1, 5 * GB - 1, (), False),
        ("none", 2, 9 * GB, (), False),
        ("none", 1, 5 * GB, cards(1 * GB), True),  # the processor is asked for, the card is full
        ("auto", 1, 4 * GB, cards(5 * GB), True),
        ("auto", 1, 90 * GB, cards(1 * GB), False),  # a card somebody else uses
        ("auto", 1, 4 * GB, cards(3 * GB, 2 * GB), True),  # shared out over both
        (1, 1, 90 * GB, cards(3 * GB, 4 * GB), False),  # enough together, on neither alone
        (1, 1, 4 * GB, cards(1 * GB, 5 * GB), True),
        (2, 1, 4 * GB, cards(3 * GB, 3 * GB), True),
        (2, 1, 4 * GB, cards(24 * GB, 2 * GB), False),  # an even share is 2.5 GB
        (2, 1, 4 * GB, cards(24 * GB, 2 * GB, 3 * GB), True),  # the two with the most left
        (1, 2, 4 * GB, cards(10 * GB), True),
        (1, 2, 4 * GB, cards(9 * GB), False),
        (1, 3, 4 * GB, cards(6 * GB, 11 * GB), True),
        (1, 3, 4 * GB, cards(9 * GB, 9 * GB), False),  # 18 GB, and still only one on each
        (3, 1, 4 * GB, cards(24 * GB, 24 * GB), False),  # fewer cards than that
    ],
)
def test_one_replica_fits_on_the_cards_it_uses(gpu, replicas, free, gpus, fits):
    found = measured(plan(*start(*range(replicas)), gpu=gpu), need(), on(free, *gpus))
    assert found.fits is fits
    assert (found.most >= replicas) is fits


def test_what_uses_one_card_of_all_it_is_given_has_to_fit_on_one():
    both = cards(3 * GB, 4 * GB)  # enough together, on neither alone
    assert not measured(plan(*start(0), gpu="auto"), need(cards=1), on(None, *both)).fits
    assert measured(plan(*start(0), gpu="auto"), need(cards=1), on(None, *cards(5 * GB))).fits
    assert measured(plan(*start(0), gpu=2), need(cards=1), on(None, *both)).fits
    assert measured(plan(*start(0), gpu="auto"), need(cards=1), on(5 * GB)).fits


@pytest.mark.parametrize(
    ("gpu", "gpus", "fits"),
    [
        ("auto", cards(24 * GB), True),
        ("auto", cards(21 * GB), False),  # nine tenths are 21.6 GB
        ("auto", cards(21 * GB, 24 * GB), True),
        (2, cards(24 * GB, 21 * GB), False),
        (2, cards(24 * GB, 22 * GB), True),
    ],
)
def test_what_takes_a_share_of_a_card_takes_it_whatever_it_needs(gpu, gpus, fits):
    want = need(cards=1, share=0.9)
    found = measured(plan(*start(0), gpu=gpu), want, on(90 * GB, *gpus))
    assert found.fits is fits
    count = gpu if gpu == 2 else 1
    assert found.wanted == taken(want, plan(gpu=gpu).want, gpus) == count * 21_600_000_000
    assert (found.taken.cache, found.taken.tokens) == (
        found.wanted - 4 * GB,
        count * 216_000 - 40_000,
    )


def test_in_the_machines_memory_it_takes_no_share_but_what_it_is_told_to():
    want = need(share=0.9, floor=3 * GB)
    for gpu, gpus in (("none", cards(24 * GB)), ("auto", ())):
        found = measured(plan(*start(0), gpu=gpu), want, on(8 * GB, *gpus))
        assert found.wanted == taken(want, plan(gpu=gpu).want, gpus) == 7 * GB
        assert found.taken.tokens == 30_000


def test_a_share_is_no_less_than_what_is_needed():
    found = measured(
        plan(*start(0), gpu="auto"), need(cards=1, share=0.1), on(None, *cards(5 * GB))
    )
    assert found.wanted == 5 * GB


@pytest.mark.parametrize(
    ("free", "share"),
    [
        (12 * GB, 0.5),
        (11.99 * GB, 0.49),
        (5 * GB + 40_000_000, 0.21),  # 5.04 GB
        (5 * GB, None),  # 0.20 of it are 4.8 GB, and it needs 5
        (22 * GB, None),  # it fits
    ],
)
def test_a_smaller_share_is_found_where_it_holds_what_is_needed(free, share):
    gpus = cards(int(free))
    fit = measured(plan(*start(0), gpu="auto"), need(cards=1, share=0.9), on(None, *gpus))
    assert smaller_share(fit) == share
    assert largest_context(fit) is None, "a shorter context makes a share no smaller"


def test_what_takes_no_share_has_no_smaller_one():
    fit = measured(plan(*start(0), gpu="auto"), need(cards=1), on(None, *cards(GB)))
    assert smaller_share(fit) is None
    assert smaller_share(Fit(need(share=0.9), 1, GB)) is None


def test_cards_that_are_asked_for_by_number_and_not_seen_cannot_be_told():
    assert measured(plan(*start(0), gpu=1), need(), on(90 * GB)) is None


@pytest.mark.parametrize(
    ("steps", "free", "worst", "fits"),
    [
        ([*start(0), *stop(0), *start(1), *stop(1)], 8 * GB, (2, 2 * GB), True),
        ([*start(0), *stop(0), *start(1), *stop(1)], 7 * GB, (2, 2 * GB), False),
        ([*stop(0), *start(0), *stop(1), *start(1)], 3 * GB, (2, 4 * GB), False),
        ([*stop(0), *start(0), *stop(1), *start(1)], 6 * GB, (2, 4 * GB), True),
        ([*stop(0, 1), *start(0, 1)], 6 * GB, (2, 4 * GB), True),
        ([*stop(0), *start(0)], 3 * GB, (1, 2 * GB), True),
        ([*stop(3), *start(0)], 3 * GB, (1, 0), False),  # nobody knows what that one gives back
    ],
)
def test_a_plan_is_measured_where_the_least_is_left(steps, free, worst, fits):
    gives = {OLD[0]: 2 * GB, OLD[1]: 2 * GB}
    found = measured(plan(*steps), need(), on(free), gives)
    assert (found.replicas, found.back, found.fits) == (*worst, fits)


def test_what_is_given_back_is_taken_to_be_on_the_fullest_cards():
    assert given(cards(1 * GB, 20 * GB), 10 * GB) == (11 * GB, 20 * GB)
    assert given(cards(20 * GB, 22 * GB), 5 * GB) == (24 * GB, 23 * GB)
    assert given(cards(24 * GB), 5 * GB) == (24 * GB,), "no card has more than it is made with"


@pytest.mark.parametrize(
    ("free", "conversations", "context"),
    [
        (4 * GB + 500_000_000, 1, 4096),  # 5000 tokens, rounded down
        (4 * GB + 500_000_000, 4, 1024),  # 1250 for each
        (4 * GB + 60_000_000, 1, 512),
        (4 * GB + 20_000_000, 1, None),  # 200 tokens are no conversation
        (3 * GB, 1, None),  # it is the weights that are too large
    ],
)
def test_the_largest_context_that_fits_is_reckoned_and_rounded(free, conversations, context):
    tokens = 10_000 * conversations
    fit = Fit(need(tokens=tokens, conversations=conversations), 1, free)
    assert largest_context(fit) == context
    if context:
        assert fit.holds(fit.need.holding(context), 1)


def test_fewer_conversations_may_have_longer_ones():
    fit = Fit(need(tokens=40_000, conversations=4), 1, 4 * GB + 900_000_000)
    assert largest_context(fit) == 2048
    assert largest_context(fit, 1) == 8192


@pytest.mark.parametrize(
    ("now", "weights", "free", "found"),
    [
        ("F16", 16 * GB, 10 * GB, ("Q8_0", 8_500_800_000)),
        ("BF16", 16 * GB, 5 * GB, ("Q4_K_M", 4_894_400_000)),
        ("Q4_K_M", 16 * GB, 15 * GB, ("Q3_K_M", 13_063_093_000)),
        ("F16", 16 * GB, 2 * GB, None),
        ("Q3_K_M", 16 * GB, 15 * GB, None),
        ("TQ1_0", 16 * GB, 15 * GB, None),
        (None, 16 * GB, 10 * GB, None),
    ],
)
def test_the_best_smaller_quantisation_that_fits_is_named_with_its_size(now, weights, free, found):
    name = smaller(Fit(need(weights, tokens=1, quantisation=now), 1, free))
    if found is None:
        assert name is None
    else:
        assert name[0] == found[0]
        assert name[1] == pytest.approx(found[1], rel=0.001)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("gemma-3-12b-it-Q4_K_M.gguf", "Q4_K_M"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("m.IQ4_XS.gguf", "IQ4_XS"),
        ("m-bf16.gguf", "BF16"),
        ("m-f16.gguf", "F16"),
        ("model.gguf", None),
        ("Q8_0_L.gguf", None),
    ],
)
def test_a_name_tells_the_quantisation(file, name):
    assert quantisation(file) == name
