"""The deployer docs/adding-a-deployer.md walks through is a working one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from deployers.protocol import Deployer, Kind, Tools
from domain.errors import Unhealthy, Unsupported, WorldChanged
from domain.readiness import FirstToken, Probe
from tests.contract.stages import RealClock, Stage, bring, deaf, ignore, make_plan

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-deployer.md"


async def prompt(base_url: str, model: str) -> FirstToken | None:
    """A probe that is always answered."""
    return FirstToken(0.01)


@pytest.fixture
def kind() -> Iterator[Kind]:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = ModuleType("pinboard")
    sys.modules["pinboard"] = module
    exec(compile(code, str(PAGE), "exec"), module.__dict__)  # the page is ours
    yield module.__dict__["KIND"]
    del sys.modules["pinboard"]


def opened(kind: Kind, board: Path, probe: Probe = prompt) -> Deployer:
    fields = {"kind": "pinboard", "board": board, "server": "http://server.invalid"}
    return kind.open("here", kind.settings.model_validate(fields), Tools(probe, RealClock(), board))


async def test_it_deploys_replaces_and_takes_down(kind: Kind, tmp_path: Path):
    stage = Stage("pinboard", tmp_path)
    await bring(opened(kind, tmp_path), stage.good(2))

    seen = await bring(opened(kind, tmp_path), stage.good_v2(1))
    assert [replica.id.revision for replica in seen.ready] == [stage.good_v2().revision]

    assert (await bring(opened(kind, tmp_path), stage.good(0))).replicas == ()
    assert list(tmp_path.iterdir()) == []


async def test_it_refuses_and_fails_in_words(kind: Kind, tmp_path: Path):
    stage, deployer = Stage("pinboard", tmp_path), opened(kind, tmp_path)
    stale = await make_plan(deployer, stage.good(1))

    with pytest.raises(Unsupported, match="no graphics cards"):
        await make_plan(deployer, stage.spec(gpu=1))
    with pytest.raises(Unhealthy, match="no token"):
        await bring(opened(kind, tmp_path, deaf), stage.good(1))
    assert (await deployer.observe("tiny")).replicas[0].reason is not None
    await bring(deployer, stage.good_v2(1))
    with pytest.raises(WorldChanged):
        await deployer.apply(stale, ignore)
