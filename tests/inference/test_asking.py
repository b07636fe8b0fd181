import asyncio
import random

import pytest

from domain.errors import Refused, UnknownName, Unreachable
from inference.asking import Answer, Piece
from inference.client import Broken, Timeouts, Turn

HELLO = (Turn("user", "Hello"),)


@pytest.fixture
async def models(asking, impatient):
    return await asking(impatient)


async def answers(reply):
    reply.start().words("Hel", "lo").end({"prompt_tokens": 3, "completion_tokens": 2})


async def dies(reply):
    await reply.start().chunk(choices=[{"delta": {"role": "assistant"}}]).reset()


async def loads(reply):
    reply.error(503, "Loading model")


async def hangs(reply):
    await reply.left.wait()


async def breaks(reply):
    reply.start().words("Hel")


async def refuses(reply):
    reply.error(400, "bad prompt")


def idle(endpoints):
    return all(endpoint.in_flight == 0 for endpoint in endpoints.of("tiny"))


async def heard(models):
    return [part async for part in models.ask("tiny", HELLO)]


async def test_an_answer_says_who_spoke_and_how_it_went(models, endpoints, replicas, upstream):
    endpoints.admit(replicas[0], (await upstream(answers)).url)
    *pieces, answer = await heard(models)
    assert pieces == [Piece("Hel", replicas[0]), Piece("lo", replicas[0])]
    assert answer == Answer(
        replicas[0], 3, 2, answer.first_token, answer.tokens_per_second, finish_reason="stop"
    )
    assert 0 < answer.first_token < 5
    assert idle(endpoints)


async def test_pieces_are_counted_where_the_server_does_not(models, endpoints, replicas, upstream):
    async def script(reply):
        reply.start().words("Hel", "lo").end()

    endpoints.admit(replicas[0], (await upstream(script)).url)
    answer = (await heard(models))[-1]
    assert (answer.prompt_tokens, answer.completion_tokens) == (None, 2)


async def test_a_name_that_leads_nowhere_is_told_apart_from_one_that_does(models, endpoints):
    endpoints.expect("tinny", 1)
    with pytest.raises(UnknownName, match="no model `tiny`") as caught:
        await heard(models)
    assert "tinny" in caught.value.hint


async def test_a_service_without_replicas_says_so(models, endpoints):
    endpoints.expect("tiny", 1)
    with pytest.raises(Unreachable, match="tiny has no ready replica") as caught:
        await heard(models)
    assert "!status tiny" in caught.value.hint


@pytest.mark.parametrize("fails", [dies, loads, hangs])
async def test_another_replica_answers_before_anybody_notices(
    models, endpoints, replicas, upstream, fails
):
    bad, good = await upstream(fails), await upstream(answers)
    endpoints.admit(replicas[0], bad.url)
    endpoints.admit(replicas[1], good.url)
    with endpoints.lease(replicas[1]):
        *pieces, _ = await heard(models)
    assert {piece.replica for piece in pieces} == {replicas[1]}
    assert (len(bad.replies), len(good.replies)) == (1, 1)
    assert idle(endpoints)


async def test_each_replica_is_asked_at_most_once(models, endpoints, replicas, upstream):
    servers = [await upstream(loads) for _ in replicas]
    for replica, server in zip(replicas, servers, strict=True):
        endpoints.admit(replica, server.url)
    with pytest.raises(Unreachable, match=r"none of 3 replicas .* 503: Loading model"):
        await heard(models)
    assert [len(server.replies) for server in servers] == [1, 1, 1]
    assert idle(endpoints)


@pytest.mark.parametrize(("fails", "error"), [(refuses, Refused), (breaks, Broken)])
async def test_a_clear_no_and_a_broken_answer_go_to_nobody_else(
    models, endpoints, replicas, upstream, fails, error
):
    good = await upstream(answers)
    endpoints.admit(replicas[0], (await upstream(fails)).url)
    endpoints.admit(replicas[1], good.url)
    with endpoints.lease(replicas[1]), pytest.raises(error):
        await heard(models)
    assert good.replies == []
    assert idle(endpoints)


async def test_a_draining_replica_finishes_but_is_not_asked(models, endpoints, replicas, upstream):
    going_on = asyncio.Event()

    async def script(reply):
        reply.start().words("Hel")
        await going_on.wait()
        reply.words("lo").end()

    endpoints.admit(replicas[0], (await upstream(script)).url)
    parts = models.ask("tiny", HELLO)
    await anext(parts)
    drain = asyncio.create_task(endpoints.drain(replicas[0], 60.0))
    await asyncio.sleep(0)
    with pytest.raises(Unreachable, match="no ready replica"):
        await heard(models)
    going_on.set()
    assert isinstance([part async for part in parts][-1], Answer)
    assert await drain == 0


async def leave_the_loop(models):
    async for _ in models.ask("tiny", HELLO):
        break


async def fail_in_the_loop(models):
    async for _ in models.ask("tiny", HELLO):
        raise LookupError


async def be_cancelled(models):
    async for _ in models.ask("tiny", HELLO):
        asyncio.current_task().cancel()


@pytest.mark.parametrize("leave", [leave_the_loop, fail_in_the_loop, be_cancelled])
async def test_who_leaves_closes_the_connection(endpoints, replicas, upstream, asking, leave):
    async def script(reply):
        reply.start().words("Hello")
        await reply.left.wait()

    server = await upstream(script)
    endpoints.admit(replicas[0], server.url)
    models = await asking(Timeouts())
    await asyncio.gather(asyncio.create_task(leave(models)), return_exceptions=True)
    async with asyncio.timeout(1.0):
        await server.replies[0].left.wait()
    assert idle(endpoints)


async def test_who_is_cancelled_before_the_first_word_closes_the_connection(
    endpoints, replicas, upstream, asking
):
    asked = asyncio.Event()

    async def script(reply):
        asked.set()
        await reply.left.wait()

    server = await upstream(script)
    endpoints.admit(replicas[0], server.url)
    models = await asking(Timeouts())
    task = asyncio.create_task(heard(models))
    await asked.wait()
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(1.0):
        await server.replies[0].left.wait()
    assert task.cancelled()
    assert idle(endpoints)


async def test_a_crowd_that_fails_and_is_cancelled_leaves_nothing_in_flight(
    endpoints, replicas, upstream, asking, impatient
):
    """Every request that arrives changes something for the others."""
    rng = random.Random(7)
    crowd = []

    async def whatever(reply):
        replica = rng.choice(replicas)
        rng.choice(crowd).cancel()
        if rng.random() < 0.3:
            endpoints.withdraw(replica)
            endpoints.admit(replica, rng.choice(servers).url)
        await rng.choice([answers, dies, loads, breaks, refuses, hangs])(reply)

    servers = [await upstream(whatever) for _ in replicas]
    models = await asking(impatient, rng)
    for replica, server in zip(replicas, servers, strict=True):
        endpoints.admit(replica, server.url)
    crowd += [asyncio.create_task(heard(models)) for _ in range(60)]
    outcomes = {type(o) for o in await asyncio.gather(*crowd, return_exceptions=True)}
    assert outcomes <= {list, Unreachable, Broken, Refused, asyncio.CancelledError}
    assert len(outcomes) > 2
    assert idle(endpoints)


async def test_who_has_to_wait_is_told_once_for_whom_and_then_answered(
    models, endpoints, replicas, upstream
):
    server, told = await upstream(answers), []

    async def held(names):
        told.append(names)
        endpoints.admit(replicas[0], server.url)
        return 60.0

    endpoints.expect("tiny", 1)
    parts = [part async for part in models.ask("tiny", HELLO, held=held)]
    assert [part.text for part in parts[:-1]] == ["Hel", "lo"]
    assert told == [("tiny",)]
    again = [part async for part in models.ask("tiny", HELLO, held=held)]
    assert len(again) == 3
    assert told == [("tiny",)]


async def test_it_is_held_as_long_as_that_says_even_longer_than_requests_are(
    models, endpoints, replicas, upstream
):
    server, told = await upstream(answers), asyncio.Event()

    async def held(names):
        told.set()
        return 60.0

    async def comes_late():
        await told.wait()
        while not late():
            await asyncio.sleep(0)
        endpoints.admit(replicas[0], server.url)

    rounds, ready = [], models._relay.router.ready

    async def counted(goal, tried):
        rounds.append(goal)
        return await ready(goal, tried)

    def late():
        return len(rounds) >= 3

    models._relay.router.ready = counted
    endpoints.expect("tiny", 1)
    late_one = asyncio.create_task(comes_late())
    parts = [part async for part in models.ask("tiny", HELLO, held=held)]
    await late_one
    assert len(parts) == 3
