"""The gateway's section: what is right becomes ways to models, what is not says where and why."""

import copy
from decimal import Decimal

import pytest
from pydantic import SecretStr

from domain.backends import Backend, Tier
from domain.errors import ConfigError
from domain.routes import Member, Route
from domain.tariffs import Rate, Tariff
from inference.client import Timeouts
from inference.gateway.opening import Ways
from ops_config.load import parse
from ops_config.values import tariff, ways

from .test_load import GOOD

STUDIO = {"kind": "lmstudio", "url": "http://studio:1234"}
CLAUDE = {"kind": "anthropic", "url": "https://api.anthropic.com", "key_env": "CLAUDE_KEY"}
RATE = {"prompt": "3.00", "completion": "15.00"}


def parsed(**gateway):
    return parse({**copy.deepcopy(GOOD), "gateway": gateway})


def complaint(**gateway):
    with pytest.raises(ConfigError) as caught:
        parsed(**gateway)
    return caught.value.summary


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "[::1]"])
def test_without_keys_it_may_listen_where_nobody_else_gets(host):
    assert parsed(listen=f"{host}:8480", keys="none").gateway.keys == "none"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "[::]", "10.0.0.1", "gateway.example.org", "127.0.0.1.example.org"]
)
def test_without_keys_it_may_not_listen_where_others_get(host):
    told = complaint(listen=f"{host}:8480", keys="none")
    assert f"  gateway: keys is `none`, and {host}:8480 can be reached from elsewhere" in told
    assert parsed(listen=f"{host}:8480").gateway.keys == "required"


def test_without_a_door_there_is_nothing_to_lock():
    assert parsed(keys="none").gateway.listen is None


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ({"backends": {"c": {**CLAUDE, "key_env": None}}}, "Anthropic takes no request without"),
        ({"backends": {"s": {**STUDIO, "key_env": "A", "key_file": "/b"}}}, "one is enough"),
        ({"backends": {"s": {**STUDIO, "kind": "ray"}}}, "gateway.backends.s.kind: "),
        ({"backends": {"s": {**STUDIO, "url": "studio:1234"}}}, "gateway.backends.s.url: "),
        ({"backends": {"s": {**STUDIO, "url": "http://a:b@c"}}}, "gateway.backends.s.url: "),
        ({"backends": {"s": {**STUDIO, "capacity": 0}}}, "gateway.backends.s.capacity: "),
        ({"backends": {"s": {**STUDIO, "models": {"a b": "c"}}}}, "gateway.backends.s.models."),
        ({"backends": {"Studio": STUDIO}}, "gateway.backends.Studio"),
        ({"backends": {"s": {**STUDIO, "ur": "x"}}}, "did you mean `url`?"),
        ({"routes": {"chat": []}}, "gateway.routes.chat.members: "),
        ({"routes": {"chat": ["a", "b:101"]}}, "`b:101` is not a name, or a name with 0 to 100"),
        ({"routes": {"chat": ["a", "A b"]}}, "`A b` is not a name"),
        ({"routes": {"chat": ["a:10", "a"]}}, "a member is named twice"),
        ({"routes": {"chat": ["a:60", "b:41"]}}, "the weights come to more than 100"),
        ({"routes": {"chat": ["code"], "code": ["a"]}}, "`code` is a route, and routes lead to"),
        ({"routes": {"s": ["a"]}, "backends": {"s": STUDIO}}, "a backend goes by that name"),
        ({"prices": {"c": RATE}}, "prices need a currency, such as EUR"),
        ({"prices": {"c": {**RATE, "prompt": "-1"}}, "currency": "EUR"}, "prices.c.prompt: "),
        ({"currency": "euros"}, "gateway.currency: "),
        ({"hold": "soon"}, "gateway.hold: "),
    ],
)
def test_what_is_wrong_with_it_is_named_by_where_it_stands(gateway, said):
    assert said in complaint(**gateway)


def test_it_becomes_ways_to_models():
    asked = []

    def read(backend, name):
        asked.append(name)
        return SecretStr("open-sesame") if backend.key_env else None

    settings = parsed(
        backends={
            "studio": {**STUDIO, "models": {"small": "qwen3-4b"}, "capacity": 3, "tier": "gpu"},
            "claude": {**CLAUDE, "sampling": False},
        },
        routes={
            "chat": ["tiny", "canary:10", "claude"],
            "code": {"members": ["studio", "tiny"], "order": "listed"},
        },
        near=["local"],
        affinity="session",
        hold="1m",
        connect="1s",
        first_byte="2s",
        idle="3s",
        whole="4s",
    )
    studio = Backend(
        *("studio", "lmstudio", "http://studio:1234", None, (("small", "qwen3-4b"),), 3, Tier.GPU)
    )
    key = SecretStr("open-sesame")
    claude = Backend("claude", "anthropic", CLAUDE["url"], key, (), 16, Tier.CLOUD, sampling=False)
    chat = Route("chat", (Member("tiny"), Member("canary", 10), Member("claude")))
    code = Route("code", (Member("studio"), Member("tiny")), as_listed=True)
    assert ways(settings, read) == Ways(
        (studio, claude),
        {"chat": chat, "code": code},
        ("local",),
        "session",
        60.0,
        Timeouts(1.0, 2.0, 3.0, 4.0),
    )
    assert asked == ["studio", "claude"]


def test_others_stand_before_the_cloud_unless_it_is_said_where():
    backends = {"studio": STUDIO, "rack": {**CLAUDE, "tier": "external"}}
    found = ways(parsed(backends=backends), lambda backend, name: None).backends
    assert [each.tier for each in found] == [Tier.EXTERNAL, Tier.EXTERNAL]


def test_prices_become_what_tokens_cost():
    settings = parsed(prices={"claude": RATE}, currency="EUR")
    rates = {"claude": Rate(Decimal("3.00"), Decimal("15.00"))}
    assert tariff(settings) == Tariff(rates, "EUR")
    assert tariff(parsed()) == Tariff({}, "")
