"""What a backend's list of models says of it, before anybody asks anything."""

import pytest

from domain.backends import Backend, Tier
from tests.inference.gateway.conftest import soon
from tests.upstreams import RESET, Status

PAGE = "/v1/models"
HTML = Status(200, "a page of something else", "html")


@pytest.fixture
async def probed(stages, upstreams):
    """Asks a backend for its models, once, and tells how it is taken to be."""
    upstream = await upstreams()

    async def ask(act=None, tier=Tier.EXTERNAL):
        stage = await stages(backends=[Backend("studio", "openai", upstream.url, tier=tier)])
        if act is not None:
            upstream.always(act, path=PAGE)
        stage.gateway.probing.look()
        await soon(lambda: not stage.gateway.probing._asking)
        (endpoint,) = stage.endpoints.of("studio")
        return stage.gateway.health.breaker(endpoint)

    return ask


async def test_something_that_is_no_list_is_told_as_a_url_that_may_be_wrong(probed):
    breaker = await probed(HTML)
    assert not breaker.closed
    assert breaker.reason == ("what it has at `/v1/models` is no list of models; is its URL right?")


@pytest.mark.parametrize("act", [Status(500, "broken"), RESET], ids=["500", "reset"])
async def test_one_that_gives_no_sign_of_life_is_told_as_that(probed, act):
    breaker = await probed(act)
    assert not breaker.closed
    assert breaker.reason.startswith("no sign of life: ")


@pytest.mark.parametrize("act", [None, Status(404), Status(401)], ids=["listed", "404", "401"])
async def test_one_that_has_no_such_page_or_wants_a_key_answers(probed, act):
    assert (await probed(act)).closed


async def test_one_that_lists_more_than_anybody_reads_answers(stages, upstreams):
    upstream = await upstreams(*(f"{n:0250}" for n in range(5000)))
    stage = await stages(backends=[Backend("studio", "openai", upstream.url)])
    stage.gateway.probing.look()
    await soon(lambda: not stage.gateway.probing._asking)
    assert stage.gateway.health.breaker(stage.endpoints.of("studio")[0]).closed


async def test_what_is_paid_for_by_the_token_is_not_asked(probed):
    assert (await probed(HTML, tier=Tier.CLOUD)).closed
