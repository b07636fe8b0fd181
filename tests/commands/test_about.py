"""What the bot says of who asks, and where."""

from datetime import UTC, datetime

import pytest

from commands.about import WhoAmI, whoami
from commands.access import permit
from commands.replies import plain
from domain.access import Environment, Policy
from domain.operations import Operation
from domain.people import Role
from domain.subjects import Subjects

ANN, OPS, LOBBY = "@ann:example.org", "!ops:example.org", "!lobby:example.org"
POLICY = Policy({Role.OPERATOR: Subjects((ANN,))}, {OPS: Environment("prod", ("eu", "us"), "eu")})


@pytest.mark.parametrize(
    ("room", "name", "said"),
    [
        (OPS, "Ops", "Ops acts on prod: eu, us, `eu` unless said otherwise."),
        (OPS, "", "This room acts on prod: eu, us, `eu` unless said otherwise."),
        (LOBBY, "Lobby", "Lobby is bound to no environment: nothing can be changed from here."),
    ],
)
async def test_whoami_says_the_role_the_room_and_what_it_acts_on(room, name, said):
    asked = Operation("k3", "$1", room, ANN, "whoami", datetime(2026, 1, 1, tzinfo=UTC), False)
    reply = await whoami(WhoAmI(), permit(asked, Role.VIEWER, POLICY, name), None, print)
    text = plain(reply.blocks)
    assert f"You are {ANN}, with the role operator" in text
    assert said in text
