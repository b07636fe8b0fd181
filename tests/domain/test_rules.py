"""What a rule lets through: on which targets, to which ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arguments import ARGUMENTS, parse_condition
from domain.rules import Rule
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source

SPEC = ServiceSpec(
    name="qwen",
    source=parse_source("hf://org/qwen/q4.gguf@v1"),
    placements=(Placement(target="gpu-1", replicas=3), Placement(target="gpu-2", replicas=2)),
    settings=(("threads", "4"),),
)


@pytest.mark.parametrize(
    ("condition", "change", "holds"),
    [
        ("replicas<=5", {}, True),
        ("replicas<=4", {}, False),
        ("replicas >= 5", {}, True),
        ("replicas>=6", {}, False),
        ("replicas=5", {}, True),
        ("service=qw*", {}, True),
        ("service=w*", {}, False),
        ("source=hf://org/*", {}, True),
        ("source=hf://or/*", {}, False),
        ("source=hf://org", {}, False),
        ("source=path:/models/*", {"source": "path:/models/a.gguf"}, True),
        ("source=path:/models/*", {"source": "path:/models/../etc/a.gguf"}, False),
        ("source=compose:/srv/*", {"source": "compose:/srv/chat"}, True),
        ("source=compose:/srv/*", {"source": "compose:/srv/../etc/chat"}, False),
        ("take_over=no", {}, True),
        ("take_over=no", {"take_over": True}, False),
        ("source=path:/models/*", {"source": "path:/models/x/../../etc/a.gguf"}, False),
        (r"source=path:D:\models\*", {"source": r"path:D:\models\..\a.gguf"}, False),
        (r"source=path:D:\models\*", {"source": r"path:D:\models\a.gguf"}, True),
        ("engine=llamacpp", {}, True),
        ("gpu=none", {"gpu": "none"}, True),
        ("gpu=none", {}, False),
        ("gpu<=1", {"gpu": "none"}, True),
        ("gpu<=1", {"gpu": 1}, True),
        ("gpu<=1", {"gpu": 2}, False),
        ("gpu<=64", {"gpu": "auto"}, False),
        ("gpu>=0", {"gpu": "auto"}, False),
        ("context<=8192", {"context": 8192}, True),
        ("context<=8192", {"context": 8193}, False),
        ("context<=8192", {}, False),
        ("context=default", {}, True),
        ("startup_budget<=120", {}, True),
        ("drain_timeout<=29.5", {}, False),
        ("drain_timeout<=29.5", {"drain_timeout": 29.25}, True),
        ("drain_timeout=0", {"drain_timeout": 0.0}, True),
        ("startup_budget<=31622400", {"startup_budget": 31_622_399.5}, True),
        ("startup_budget<=100", {"startup_budget": 31_622_399.5}, False),
        ("drain_timeout=30", {}, True),
        ("cpus<=4", {"cpus": 4.0}, True),
        ("cpus<=4", {"cpus": 4.5}, False),
        ("cpus<=4", {}, False),
        ("cpus=unlimited", {}, True),
        ("memory<=16g", {"memory": 2**34}, True),
        ("memory<=16g", {"memory": 2**34 + 1}, False),
        ("memory>=16384 MiB", {"memory": 2**34}, True),
        ("memory<=16g", {}, False),
        ("memory>=1k", {}, False),
        ("memory=8g", {"memory": 2**33}, True),
        ("memory=8g", {"memory": 2**32}, False),
        ("memory=unlimited", {}, True),
        ("namespace=team-*", {"namespace": "team-a"}, True),
        ("namespace=team-a", {"namespace": "team-ab"}, False),
        ("namespace=team-*", {}, False),
        ("namespace=none", {}, True),
        ("namespace=none", {"namespace": "team-a"}, False),
        ("setting.threads<=4", {}, True),
        ("setting.threads<=3", {}, False),
        ("setting.threads=4", {}, True),
        ("setting.parallel<=4", {}, False),
        ("setting.parallel=default", {}, True),
        ("replicas=*", {}, True),
    ],
)
def test_a_condition_is_asked_of_the_service_as_it_would_be(condition, change, holds):
    if isinstance(change.get("source"), str):
        change = {"source": parse_source(change["source"])}
    assert parse_condition(condition).holds(SPEC.model_copy(update=change)) is holds


def test_every_argument_can_be_written_and_found():
    for name in ARGUMENTS:
        assert parse_condition(f"{name}=*").holds(SPEC), name


@given(st.text() | st.from_regex(r"[a-z.]+(<=|>=|=|<)\S*", fullmatch=True))
def test_no_text_whatsoever_raises_anything_but_a_value_error(text):
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert condition.holds(SPEC) in (True, False)
    assert parse_condition(str(condition)) == condition


RULE = Rule(("scale",), ("dev",), ("gpu-*",), (parse_condition("replicas<=4"),))


@pytest.mark.parametrize(
    ("targets", "replicas", "objections"),
    [
        (["gpu-1"], 4, []),
        (["gpu-1"], 9, ["replicas would be 9"]),
        (["cpu-1"], 4, ["this is on cpu-1"]),
        (["gpu-1", "cpu-1", "cpu-1"], 9, ["this is on cpu-1", "replicas would be 9"]),
        ([], 4, []),
        (["gpu-1"], None, ["this is not about one service"]),
    ],
)
def test_what_a_rule_does_not_let_through_is_told(targets, replicas, objections):
    placements = (Placement(target="gpu-1", replicas=replicas or 0),)
    want = None if replicas is None else SPEC.model_copy(update={"placements": placements})
    assert list(RULE.objections(targets, want)) == objections
    assert RULE.lets_through(targets, want) is (not objections)


def test_a_rule_counts_in_the_environments_it_names_or_else_at_home():
    assert RULE.holds_in("dev", at_home=False)
    assert not RULE.holds_in("prod", at_home=True)
    here = Rule(("scale",))
    assert here.holds_in("prod", at_home=True)
    assert not here.holds_in("prod", at_home=False)
    assert Rule(("scale",), ("*",)).holds_in("prod", at_home=False)


def test_a_star_is_every_command_that_takes_a_role_and_no_other():
    every = Rule(("*",))
    assert every.is_about("deploy")
    assert every.is_about("unlock")
    assert not every.is_about("repair")
    assert not every.is_about("")


def test_a_rule_reads_as_people_would_say_it():
    assert str(RULE) == "on gpu-* while replicas<=4"
    assert str(Rule(("scale",))) == ""


def test_a_service_is_not_taken_out_of_somebody_elses_namespace():
    rule = Rule(("deploy",), when=(parse_condition("namespace=a-*"), parse_condition("gpu<=1")))
    mine, theirs = (SPEC.model_copy(update={"namespace": n, "gpu": 1}) for n in ("a-1", "b-1"))
    assert rule.lets_through(["gpu-1"], mine, None)
    assert rule.lets_through(["gpu-1"], mine, mine.model_copy(update={"namespace": "a-2"}))
    assert list(rule.objections(["gpu-1"], mine, theirs)) == ["namespace is b-1 now"]
    assert list(rule.objections(["gpu-1"], theirs, mine)) == ["namespace would be b-1"]
    assert rule.lets_through(["gpu-1"], mine, mine.model_copy(update={"gpu": 8}))
