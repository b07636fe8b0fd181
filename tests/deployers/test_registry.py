from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployers import registry
from deployers.process.deployer import ProcessDeployer
from deployers.protocol import Kind, Tools
from deployers.rehearsal import RehearsalDeployer
from domain.errors import ConfigError
from tests.contract.stages import RealClock, deaf

_MODULE = """
from deployers.protocol import Kind
from domain.targets import RehearsalTarget
KIND = Kind(RehearsalTarget, lambda name, settings, tools: None)
NOT_A_KIND = 7
"""

_ENTRY_POINTS = """
[gantry.deployers]
shelf = offered_shelf:KIND
odd = offered_shelf:NOT_A_KIND
gone = no_such_module:KIND
process = offered_shelf:KIND
"""


@pytest.fixture
def offered(tmp_path: Path) -> Iterator[None]:
    """A package on the path that offers kinds."""
    metadata = tmp_path / "shelf-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    (tmp_path / "offered_shelf.py").write_text(_MODULE)
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("offered_shelf", None)


@pytest.mark.parametrize(
    ("name", "opens"), [("process", ProcessDeployer), ("rehearsal", RehearsalDeployer)]
)
def test_a_kind_opens_its_deployer(name: str, opens: type, tmp_path: Path):
    kind = registry.kind(name)
    settings = kind.settings.model_validate({"kind": name})

    deployer = kind.open("here", settings, Tools(deaf, RealClock(), tmp_path))

    assert isinstance(deployer, opens)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigError) as caught:
        registry.kind("proces")

    assert caught.value.hint == "did you mean `process`?"


def test_a_kind_like_no_other_gets_them_all_named():
    with pytest.raises(ConfigError) as caught:
        registry.kind("zzz")

    assert caught.value.hint == "there are docker, process, rehearsal"


def test_other_packages_offer_kinds(offered: None):
    assert isinstance(registry.kind("shelf"), Kind)
    assert registry.names() == ("docker", "gone", "odd", "process", "rehearsal", "shelf")


def test_a_builtin_kind_cannot_be_replaced_from_outside(offered: None):
    kind = registry.kind("process")

    assert kind.settings.model_validate({"kind": "process"}).kind == "process"


@pytest.mark.parametrize(("name", "why"), [("odd", "a int, not a Kind"), ("gone", "imported")])
def test_an_offer_that_cannot_be_used_names_its_package(offered: None, name: str, why: str):
    with pytest.raises(ConfigError, match=why) as caught:
        registry.kind(name)

    assert "shelf" in caught.value.summary
