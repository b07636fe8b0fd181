"""The homeserver's "no", in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bot.matrix.answers import Answer, LoggedOut, RateLimited
from bot.matrix.crypto.asking import account_data, ask, look_for
from domain.errors import OpsError, Refused, Unreachable


def always(status: int, **body: Any) -> Any:
    async def request(method: str, path: str, body_: Mapping[str, Any] | None) -> Answer:
        return Answer(status, body)

    return request


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (always(429, errcode="M_LIMIT_EXCEEDED", retry_after_ms=1500), RateLimited),
        (always(429), RateLimited),
        (always(401, errcode="M_UNKNOWN_TOKEN", error="gone"), LoggedOut),
        (always(403, errcode="M_FORBIDDEN", error="not you"), Refused),
        (always(404, errcode="M_UNRECOGNIZED"), Refused),
        (always(502), Unreachable),
    ],
)
async def test_every_no_is_one_a_person_can_act_on(answer: Any, error: type[OpsError]):
    with pytest.raises(error):
        await ask(answer, "GET", "/x?version=1")
    with pytest.raises(error):
        await look_for(answer, "/x?version=1")


async def test_nothing_there_is_an_answer_to_a_question_only():
    nothing = always(404, errcode="M_NOT_FOUND", error="no such thing")
    assert await look_for(nothing, "/x") is None
    with pytest.raises(Refused, match="no such thing"):
        await ask(nothing, "PUT", "/x", {})


async def test_the_homeserver_says_how_long_to_wait():
    with pytest.raises(RateLimited) as caught:
        await ask(always(429, retry_after_ms=1500), "GET", "/x")
    assert caught.value.seconds == 1.5


def test_a_path_is_quoted():
    path = account_data("@a/b:x.org", "m.secret_storage.key.a/b+c")
    assert path == "/user/%40a%2Fb%3Ax.org/account_data/m.secret_storage.key.a%2Fb%2Bc"
