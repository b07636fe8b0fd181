"""Parts of the house that are made from settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.parts import open_targets
from deployers.protocol import Tools
from ops_config.load import parse
from tests.contract.stages import RealClock, deaf


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"kind": "docker", "host": "tcp://10.9.8.7:2375", "insecure": True}, True),
        ({"kind": "docker"}, False),
        ({"kind": "process"}, False),
    ],
)
async def test_an_engine_in_the_clear_is_said_at_each_start(target, said, tmp_path: Path):
    settings = parse(
        {
            "matrix": {"homeserver": "https://x.org", "user_id": "@g:x.org", "password_file": "p"},
            "state": {"url": f"sqlite:///{tmp_path}/gantry.db"},
            "environments": {"dev": {"targets": ["rack"]}},
            "access": {"operator": ["@a:x.org"]},
            "targets": {"rack": target},
        }
    )
    with capture_logs() as lines:
        opened = open_targets(settings, Tools(deaf, RealClock(), tmp_path))
    for deployer in opened.values():
        await deployer.aclose()
    told = [line for line in lines if line["event"] == "caution"]
    assert [line["target"] for line in told] == (["rack"] if said else [])
