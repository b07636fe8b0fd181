"""What `gantry check` finds out about backends: a token, or why there is none."""

from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from bot.check_backends import check_backends
from domain.backends import Backend
from domain.errors import OpsError
from inference.gateway.opening import Ways
from tests.upstreams import Status, Upstream


@pytest.fixture
async def upstreams():
    async with AsyncExitStack() as stack:

        async def started(*names):
            return await stack.enter_async_context(Upstream.started(*names))

        yield started


async def told(*backends):
    """A line for each backend."""
    lines = []

    async def tell(what, attempt):
        try:
            lines.append(f"✓ {what}: {await attempt()}")
        except OpsError as error:
            lines.append(f"✗ {what}: {error.summary}; {error.hint}")
        return lines[-1].startswith("✓")

    results = await check_backends(Ways(backends), tell)
    assert results == [line.startswith("✓") for line in lines]
    return lines


def backend(upstream, **said):
    return Backend("studio", said.pop("kind", "openai"), upstream.url, **said)


async def test_each_configured_model_gives_one_token(upstreams):
    upstream = await upstreams("small-7b", "large-70b")
    models = (("small", "small-7b"), ("large", "large-70b"))
    (line,) = await told(backend(upstream, models=models, key=SecretStr("k")))
    assert line.startswith("✓ backend studio: small answers after ")
    assert ", large answers after " in line
    assert [asked.model for asked in upstream.asked] == ["small-7b", "large-70b"]
    assert all(asked.json["max_tokens"] == 1 for asked in upstream.asked)


async def test_where_none_is_configured_the_first_that_is_listed_does(upstreams):
    upstream = await upstreams("small-7b", "large-70b")
    (line,) = await told(backend(upstream))
    assert line.startswith("✓ backend studio: small-7b answers")
    assert [asked.model for asked in upstream.asked] == ["small-7b"]


async def test_what_does_not_talk_may_embed(upstreams):
    upstream = await upstreams("embed")
    upstream.will(Status(400, "this model does not chat"))
    (line,) = await told(backend(upstream, models=(("embed", "embed"),)))
    assert line.startswith("✓ backend studio: embed embeds after")


async def test_a_model_that_is_not_there_is_named(upstreams):
    upstream = await upstreams("small-7b")
    upstream.always(Status(404, "there is no model smal"))
    (line,) = await told(backend(upstream, models=(("small", "smal"),)))
    assert line.startswith("✗ backend studio: small: ")
    assert "there is no model smal" in line
    assert line.endswith("`models` says what a model is called there")


async def test_a_key_that_is_not_taken_is_told_as_that(upstreams):
    upstream = await upstreams("small")
    upstream.always(Status(401, "no such key"))
    (line,) = await told(backend(upstream, models=(("small", "small"),), key=SecretStr("wrong")))
    assert "check the key that is configured for it" in line


async def test_nobody_there_is_told_and_the_others_are_asked_all_the_same(upstreams):
    upstream, gone = await upstreams("tiny"), await upstreams("tiny")
    await gone.refuse()
    lines = await told(
        Backend("gone", "vllm", gone.url),
        Backend("away", "openai", gone.url, models=(("a", "a"),)),
        backend(upstream),
    )
    assert [line[0] for line in lines] == ["✗", "✗", "✓"]


async def test_a_server_without_any_model_is_told_as_that(upstreams):
    upstream = await upstreams("tiny")
    upstream.always(Status(200, flavour="empty"), path="/v1/models")
    (line,) = await told(backend(upstream))
    assert "no list of models" in line
