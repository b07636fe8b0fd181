"""A login that runs out is renewed in time, and once."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.matrix.answers import LoggedOut
from bot.matrix.line import Tokens
from bot.matrix.renewal import Renewal
from domain.errors import Unreachable
from fleet.store.positions import Position
from tests.fleet.world import until

from .homeserver import ME


class Line:
    """Gives out a1 for r0, a2 for r1 and so on, each for ten minutes."""

    def __init__(self):
        self.seen, self.errors, self.token = [], [], "a0"

    def use(self, token):
        self.token = token.get_secret_value()

    async def refresh(self, token):
        self.seen.append(token.get_secret_value())
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        number = len(set(self.seen))
        return Tokens(SecretStr(f"a{number}"), SecretStr(f"r{number}"), 600)


class Api:
    user_id = ME

    def __init__(self):
        self.line = Line()


@pytest.fixture
async def api(store):
    async with store.transaction() as tx:
        await tx.positions.put(Position(ME, "DEVICE", "a0", "s7", "r0"))
    return Api()


@pytest.fixture
async def renew(api, store, clock):
    """Starts to keep the login fresh."""
    tasks = []

    def begin(seconds):
        at = clock.now() + timedelta(seconds=seconds)
        made = Renewal(api, store, SecretStr("r0"), at, clock)
        tasks.append(asyncio.create_task(made.run()))
        return made

    clock.flows = False
    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_is_renewed_before_it_runs_out_and_again(renew, api, store, clock):
    renew(100)
    await until(lambda: clock.waiting)
    clock.passes(99)
    assert api.line.token == "a0"
    for token, wait in (("a1", 1), ("a2", 480)):
        clock.passes(wait)
        await until(lambda token=token: api.line.token == token and clock.waiting)
    async with store.transaction() as tx:
        kept = await tx.positions.get(ME)
    assert (kept.access_token, kept.refresh_token, kept.token) == ("a2", "r2", "s7")
    assert kept.access_until == clock.now() + timedelta(seconds=480)


async def test_many_who_find_it_run_out_renew_it_once(renew, api):
    renewal = renew(10**6)
    await asyncio.gather(*(renewal.renew("a0") for _ in range(5)))
    assert api.line.seen == ["r0"]


async def test_a_homeserver_that_is_away_is_asked_again(renew, api, clock):
    api.line.errors = [Unreachable("away")]
    renew(0)
    await until(lambda: clock.waiting)
    clock.passes(5)
    await until(lambda: api.line.token == "a1")
    assert api.line.seen == ["r0", "r0"]


async def test_a_refresh_token_that_is_not_taken_ends_it(api, store, clock):
    api.line.errors = [LoggedOut("gone")]
    with pytest.raises(LoggedOut):
        await Renewal(api, store, SecretStr("r0"), clock.now(), clock).run()
