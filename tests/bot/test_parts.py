"""Parts of the house that are made from settings alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.check import check
from bot.parts import open_targets
from deployers.protocol import Tools
from domain.errors import ConfigError
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


async def test_a_target_whose_address_makes_no_sense_is_named(tmp_path: Path):
    settings = parse(
        {
            "matrix": {"homeserver": "https://x.org", "user_id": "@g:x.org", "password_file": "p"},
            "state": {"url": f"sqlite:///{tmp_path}/gantry.db"},
            "environments": {"dev": {"targets": ["rack"]}},
            "access": {"operator": ["@a:x.org"]},
            "targets": {"rack": {"kind": "docker", "host": "ssh://aria:secret@rack"}},
        }
    )
    with pytest.raises(ConfigError, match=r"^targets\.rack: a password has no place"):
        open_targets(settings, Tools(deaf, RealClock(), tmp_path))


async def test_gantry_check_says_so_without_a_traceback(tmp_path: Path, capsys):
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    config = tmp_path / "gantry.yaml"
    config.write_text(
        f"""
        matrix: {{homeserver: "http://127.0.0.1:1", user_id: "@g:x.org",
                  password_file: {tmp_path}/password}}
        state: {{url: "sqlite:///{tmp_path}/gantry.db"}}
        environments: {{dev: {{targets: [rack]}}}}
        access: {{operator: ["@a:x.org"]}}
        targets: {{rack: {{kind: docker, host: "tcp://aria:secret@rack", insecure: true}}}}
        """
    )
    assert await check(config) == 2
    said = capsys.readouterr().out
    assert "✗ targets.rack: a name or password has no place in a tcp:// address" in said
    assert "secret" not in said
