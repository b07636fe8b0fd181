"""A port that is taken is told by the setting that names it."""

import socket

import aiohttp
import pytest
from aiohttp import web

from domain.errors import ConfigError
from inference.listening import listen


@pytest.fixture
async def runner():
    app = web.Application()

    async def hello(request):
        return web.Response(text="hello")

    app.router.add_get("/", hello)
    made = web.AppRunner(app)
    await made.setup()
    yield made
    await made.cleanup()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_it_answers_where_it_says(runner, host):
    address = await listen(runner, f"{host}:0", "gateway.listen")
    assert not address.endswith(":0")
    async with aiohttp.ClientSession() as http, http.get(f"http://{address}/") as answer:
        assert await answer.text() == "hello"


async def test_a_port_that_is_taken_is_told_with_what_to_try(runner):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError) as caught:
            await listen(runner, address, "gateway.listen")
    said = f"gateway.listen: {address} cannot be listened on: "
    assert caught.value.summary.startswith(said)
    assert len(caught.value.summary) > len(said)
    assert caught.value.hint == "stop what uses that port, or give another one"
