"""A target that hangs, refuses or is slow, behind its guard."""

import asyncio

import pytest

from deployers import protocol
from deployers.guard import guarded
from deployers.looks import AT_ONCE
from deployers.protocol import Foresight, Foretelling, Hurried
from domain.breaker import FAILURES, FIRST_WAIT
from domain.errors import Refused, Unreachable, WorldChanged
from domain.plans import Fingerprint, Plan
from domain.progress import Progress
from tests.deployers.moods import Moody
from tests.fleet.world import Time, spec, until

SOON = 0.02
"""A deadline that a test can wait for, in seconds of the machine's own."""


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def moody(tmp_path, clock):
    return Moody("wks", tmp_path, clock)


@pytest.fixture
async def target(moody, clock):
    made = guarded("wks", "rehearsal", moody, clock, SOON)
    yield made
    moody.let_go()
    await made.aclose()


@pytest.fixture
async def patient(moody, clock):
    """The same, waited for as long as it takes."""
    made = guarded("wks", "rehearsal", moody, clock, 60.0)
    yield made
    moody.let_go()
    await made.aclose()


async def silences(target, times=FAILURES):
    for _ in range(times):
        with pytest.raises(Unreachable):
            await target.observe("tiny")


async def test_a_target_that_answers_is_seen_as_it_is(target, moody):
    assert (await target.observe("tiny")).target == "wks"
    facts = await target.inspect()
    assert (facts.reachable, facts.kind, facts.since) == (True, "rehearsal", moody.clock.now())
    assert target.capabilities is moody.capabilities


async def test_one_that_hangs_is_given_up_at_the_deadline_and_then_not_asked(target, moody):
    moody.mood = "hangs"
    with pytest.raises(Unreachable, match=f"^wks did not answer within {SOON} s$"):
        await target.observe("tiny")
    await silences(target, FAILURES - 1)
    asked, moody.clock.seconds = moody.asked, 2.0
    with pytest.raises(Unreachable) as caught:
        await target.observe("tiny")
    assert moody.asked == asked
    assert caught.value.summary == (
        "wks has not answered since 00:00 UTC (1 min): did not answer within 0.02 s; "
        "asked again in 3 s"
    )
    assert "`!targets wks`" in caught.value.hint


async def test_one_that_is_down_is_told_with_the_reason_and_since_when(target, moody):
    moody.clock.seconds = 60
    await target.inspect()
    moody.clock.seconds = 600
    moody.mood = "wks: connection refused"
    await silences(target)
    moody.clock.seconds += 180
    moody.mood = "wks: no route to host"
    facts = await target.inspect()
    assert not facts.reachable
    assert facts.note == "no route to host"
    assert facts.since.minute == 10
    facts = await target.inspect()
    assert facts.note.startswith("has not answered since 00:10 UTC (3 min): no route to host; ")


async def test_it_is_asked_by_one_look_at_a_time_until_it_is_back(target, moody, clock):
    moody.mood = "away"
    await silences(target)
    clock.seconds += FIRST_WAIT
    moody.mood = "slow"
    probe = asyncio.create_task(target.observe("tiny"))
    await until(lambda: moody.waiting)
    with pytest.raises(Unreachable, match="being asked now"):
        await target.observe("another")
    moody.let_go()
    assert (await probe).service == "tiny"
    moody.mood = "well"
    assert (await target.observe("another")).service == "another"
    facts = await target.inspect()
    assert (facts.reachable, facts.since) == (True, clock.now())


async def test_an_answer_that_says_no_is_no_silence(target, moody):
    moody.error = Refused
    moody.mood = "the key is not known"
    for _ in range(2 * FAILURES):
        with pytest.raises(Refused):
            await target.observe("tiny")


async def test_neither_is_a_target_that_can_be_looked_at_and_not_used(target, moody):
    """As a process target is without its engine."""
    moody.unusable = "llama.cpp is not installed"
    for _ in range(2 * FAILURES):
        assert (await target.inspect()).note == moody.unusable
    assert (await target.observe("tiny")).target == "wks"


async def test_its_name_is_not_said_twice_and_its_address_is_left_whole(target, moody):
    for mood, note in (
        ("wks did not answer", "did not answer"),
        ("wks: no route", "no route"),
        ("wks://there is away", "wks://there is away"),
    ):
        moody.mood = mood
        target.hurry()
        assert (await target.inspect()).note == note


async def test_but_it_does_not_end_a_silence_either(target, moody, clock):
    moody.mood = "away"
    await silences(target)
    moody.mood, moody.unusable = "well", "no daemon"
    clock.seconds += FIRST_WAIT
    assert (await target.inspect()).note == "no daemon"
    with pytest.raises(Unreachable, match="no daemon; asked again in 10 s"):
        await target.observe("tiny")


async def test_whoever_hurries_gets_an_answer_of_now(target, moody):
    moody.mood = "away"
    await silences(target)
    moody.mood = "well"
    assert isinstance(target, Hurried)
    target.hurry()
    assert (await target.observe("tiny")).target == "wks"


async def test_a_change_is_let_through_and_the_look_after_it(target, moody):
    moody.mood = "away"
    await silences(target)
    moody.mood = "well"
    want = spec()
    have = await moody.observe("tiny")
    plan = Plan("op1", "wks", want, (), Fingerprint.of(have))
    seen: list[Progress] = []
    await target.apply(plan, seen.append)
    assert (await target.observe("tiny")).target == "wks"


async def test_so_is_the_look_after_a_change_that_failed(target, moody):
    """What is to be put back depends on how things stand now."""
    moody.mood = "away"
    await silences(target)
    moody.mood = "well"
    stale = Plan("op1", "wks", spec(), (), Fingerprint(frozenset({"tiny-0a0a0a-0"})))
    with pytest.raises(WorldChanged):
        await target.apply(stale, lambda news: None)
    assert (await target.observe("tiny")).target == "wks"


async def test_the_same_look_is_made_once_for_all_who_want_it(patient, moody):
    moody.mood = "slow"
    looks = [asyncio.create_task(patient.observe("tiny")) for _ in range(20)]
    await until(lambda: moody.waiting)
    looks[0].cancel()
    moody.let_go()
    ended = await asyncio.gather(*looks, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert len(set(map(id, ended[1:]))) == 1
    assert moody.asked == 1


async def test_a_look_for_many_is_one_look_shared_by_whoever_asks_for_the_same(patient, moody):
    moody.mood = "slow"
    asked = [("tiny", "gemma"), ("gemma", "tiny"), ("tiny",), ("tiny", "gemma", "qwen")]
    looks = [asyncio.create_task(patient.observe_all(each)) for each in asked]
    alone = asyncio.create_task(patient.observe("tiny"))
    await until(lambda: moody.waiting == AT_ONCE)
    moody.let_go()
    told = await asyncio.gather(*looks)
    assert [sorted(each) for each in told] == [sorted(each) for each in asked]
    assert told[0] is told[1]
    assert (await alone).service == "tiny"
    assert moody.asked == 4


async def test_a_look_for_many_that_hangs_is_given_up_and_counts_once(target, moody):
    moody.mood = "hangs"
    for _ in range(FAILURES):
        with pytest.raises(Unreachable, match=f"^wks did not answer within {SOON} s$"):
            await target.observe_all(("tiny", "gemma", "qwen"))
    assert moody.asked == FAILURES
    with pytest.raises(Unreachable, match="asked again in"):
        await target.observe_all(("tiny", "gemma", "qwen"))
    assert moody.asked == FAILURES


async def test_a_look_for_many_that_is_answered_ends_a_silence(target, moody, clock):
    moody.mood = "away"
    await silences(target)
    clock.seconds += FIRST_WAIT
    moody.mood = "well"
    assert set(await target.observe_all({"tiny", "gemma"})) == {"tiny", "gemma"}
    assert (await target.observe("another")).service == "another"


async def test_a_look_for_many_from_before_a_change_is_not_taken_for_one_after_it(patient, moody):
    moody.mood = "slow"
    before = asyncio.create_task(patient.observe_all(("tiny", "gemma")))
    await until(lambda: moody.waiting)
    moody.mood = "well"
    plan = Plan("op1", "wks", spec(), (), Fingerprint.of(await moody.observe("tiny")))
    await patient.apply(plan, lambda news: None)
    asked = moody.asked
    await patient.observe_all(("tiny", "gemma"))
    assert moody.asked == asked + 1
    moody.let_go()
    await before


async def test_errors_are_not_shared_since_each_is_told_with_more(target, moody):
    moody.mood = "away"
    errors = await asyncio.gather(*(target.observe("x") for _ in range(2)), return_exceptions=True)
    assert errors[0] is not errors[1]


async def test_a_look_from_before_a_change_is_not_taken_for_one_after_it(target, moody):
    moody.mood = "slow"
    before = asyncio.create_task(target.observe("tiny"))
    await until(lambda: moody.waiting)
    moody.mood = "well"
    want = spec()
    plan = Plan("op1", "wks", want, (), Fingerprint.of(await moody.observe("tiny")))
    asked = moody.asked
    await target.apply(plan, lambda news: None)
    await target.observe("tiny")
    assert moody.asked == asked + 1
    moody.let_go()
    await before


async def test_looks_that_block_their_threads_do_not_pile_up(target, moody, clock):
    moody.mood = "blocks"
    for round_ in range(3):
        target.hurry()
        looks = (target.observe(f"s{round_}-{number}") for number in range(4 * AT_ONCE))
        ended = await asyncio.gather(*looks, return_exceptions=True)
        assert {type(each) for each in ended} == {Unreachable}
        assert moody.threads == moody.asked == AT_ONCE
    moody.mood = "well"
    moody.let_go()
    await until(lambda: not moody.threads)
    clock.seconds += 3600
    assert (await target.observe("tiny")).service == "tiny"


async def test_a_look_that_hangs_for_good_is_ended_in_the_end_and_makes_room(target, moody, clock):
    moody.mood = "hangs"
    for number in range(AT_ONCE):
        with pytest.raises(Unreachable):
            await target.observe(f"s{number}")
        clock.seconds += 3600
    moody.mood = "well"
    await until(lambda: not moody.waiting)
    clock.seconds += 3600
    await target.observe("tiny")


async def test_what_is_not_needed_in_a_hurry_is_done_without(target, moody):
    moody.mood = "hangs"
    assert await target.need(spec()) is None
    moody.mood = "well"
    assert (await target.observe("tiny")).target == "wks"


async def test_kept_logs_of_one_that_hangs_are_given_up(target, moody):
    moody.mood = "hangs"
    replica = moody.replica()
    with pytest.raises(Unreachable, match="did not answer within"):
        assert [line async for line in target.logs(replica, tail=3, follow=False)]


async def test_closing_waits_for_nobody(moody, clock):
    target = guarded("wks", "rehearsal", moody, clock, SOON)
    moody.mood = "hangs"
    with pytest.raises(Unreachable):
        await target.observe("tiny")
    await target.aclose()
    assert not moody.waiting


def test_what_a_deployer_offers_besides_its_guard_offers_too(moody, clock, tmp_path):
    """A new optional protocol has to be taught to the guard: this test finds it by itself."""
    optional = [
        each
        for each in vars(protocol).values()
        if getattr(each, "_is_runtime_protocol", False) and each is not Hurried
    ]
    assert Foresight in optional
    plain = Moody("wks", tmp_path, clock, obliging=False)
    for each in optional:
        for real in (moody, plain):
            guard = guarded("wks", "rehearsal", real, clock)
            assert isinstance(guard, each) == isinstance(real, each), each


async def test_what_is_there_already_is_told_or_waited_for_no_longer(
    target, moody, monkeypatch: pytest.MonkeyPatch
):
    assert isinstance(target, Foretelling)
    assert await target.foretell(spec()) == ("somebody else's tiny runs",)
    monkeypatch.setattr("deployers.guard.FORETELLING", SOON)
    moody.mood = "hangs"
    with pytest.raises(Unreachable, match="did not answer within"):
        await target.foretell(spec())
