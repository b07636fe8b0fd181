"""A backend that nobody configured models for offers what it lists itself."""

import pytest
from pydantic import SecretStr

from domain.backends import Backend
from domain.keys import Key, Owner, digest_of
from inference.endpoints import LISTED_AT_MOST
from inference.gateway.admission import Keyed
from inference.gateway.opening import Ways
from inference.keyring import Keyring
from tests.inference.conftest import SystemClock
from tests.inference.gateway.conftest import HELLO, PATIENT, STREAM, soon, staged
from tests.upstreams import Status


async def looked(stage, *upstreams):
    """Have the gateway look after its backends once."""
    before = [len(upstream.probed) for upstream in upstreams]
    stage.gateway.probing.look()
    await soon(lambda: all(len(u.probed) > n for u, n in zip(upstreams, before, strict=True)))
    await soon(lambda: not stage.gateway.probing._asking)


async def models(stage, **options):
    async with stage.http.get(stage.url + "/v1/models", **options) as response:
        return [model["id"] for model in (await response.json())["data"]]


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_by_its_name_alone_its_first_model_is_asked(stages, upstreams, body):
    upstream = await upstreams("qwen3-4b", "qwen3-32b")
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url),))
    await looked(stage, upstream)
    assert (await stage.ask({**body, "model": "studio"})).status == 200
    assert (await stage.ask({**body, "model": "studio/qwen3-32b"})).status == 200
    assert [asked.json["model"] for asked in upstream.asked] == ["qwen3-4b", "qwen3-32b"]


async def test_several_models_are_listed_and_one_goes_by_the_backends_name(stages, upstreams):
    several, one = await upstreams("b", "a/x"), await upstreams("only")
    backends = Backend("studio", "vllm", several.url), Backend("single", "vllm", one.url)
    stage = await stages(backends=backends)
    assert await models(stage) == ["single", "studio"]
    await looked(stage, several, one)
    assert await models(stage) == ["single", "studio", "studio/a/x", "studio/b"]
    assert (await stage.get("/v1/models/studio/a/x")).json["id"] == "studio/a/x"


async def test_configured_models_are_listed_in_place_of_its_own(stages, upstreams):
    upstream = await upstreams("x", "y", "z")
    mine = (("small", "x"), ("large", "y"))
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url, models=mine),))
    await looked(stage, upstream)
    assert await models(stage) == ["studio", "studio/large", "studio/small"]
    await stage.ask({**HELLO, "model": "studio"})
    assert upstream.asked[0].json["model"] == "x"


async def test_a_key_sees_the_models_of_the_backends_that_are_for_it(upstreams):
    secret, keyring, now = "gantry-" + "x" * 43, Keyring(), SystemClock().now()
    keyring.put(Key("k1", Owner("app", "ci"), digest_of(secret), now, "@r:x", models=("studio",)))
    seen, unseen = await upstreams("a", "b"), await upstreams("a", "b")
    backends = Backend("studio", "vllm", seen.url), Backend("other", "vllm", unseen.url)
    ways = Ways(timeouts=PATIENT, backends=backends)
    async with staged(ways, admission=Keyed(keyring)) as stage:
        await looked(stage, seen, unseen)
        bearer = {"Authorization": f"Bearer {secret}"}
        assert await models(stage, headers=bearer) == ["studio", "studio/a", "studio/b"]


async def test_it_is_asked_for_its_models_with_its_own_key(stages, upstreams):
    upstream = await upstreams("a")
    backend = Backend("studio", "vllm", upstream.url, key=SecretStr("sk-there"))
    stage = await stages(backends=(backend,))
    await looked(stage, upstream)
    assert upstream.probed[0].header("authorization") == "Bearer sk-there"


async def test_one_that_does_not_say_is_asked_for_what_the_client_wrote(stages, upstreams):
    upstream = await upstreams("a")
    upstream.always(Status(401), path="/v1/models")
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url),))
    await looked(stage, upstream)
    await stage.ask({**HELLO, "model": "studio"})
    assert upstream.asked[0].json["model"] == "studio"
    assert stage.gateway.health.breaker(stage.endpoints.of("studio")[0]).closed


async def test_names_that_nothing_could_have_and_endless_lists_are_cut(stages, upstreams):
    names = ["", "a\nb", "x" * 300, *(f"m{n}" for n in range(LISTED_AT_MOST + 5))]
    upstream = await upstreams(*names)
    stage = await stages(backends=(Backend("studio", "vllm", upstream.url),))
    await looked(stage, upstream)
    listed = await models(stage)
    assert len(listed) == LISTED_AT_MOST + 1
    await stage.ask({**HELLO, "model": "studio"})
    assert upstream.asked[0].json["model"] == "m0"
