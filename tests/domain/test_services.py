import json

import pytest
from pydantic import ValidationError

from domain.services import Placement, ServiceSpec
from domain.sources import Source

TINY = ServiceSpec(
    name="tiny",
    source=Source("tiny", "ops"),
    placements=(Placement(target="local", replicas=1),),
)


def on(**counts):
    return tuple(Placement(target=target, replicas=count) for target, count in counts.items())


@pytest.mark.parametrize("name", ["a", "qwen", "qwen-2", "a0", "x" * 40, "a--b"])
def test_a_lower_case_dns_label_is_a_name(name):
    assert ServiceSpec(**{**TINY.model_dump(), "name": name}).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Qwen",
        "2qwen",
        "-a",
        "a-",
        "a.b",
        "a_b",
        "a b",
        "x" * 41,
        "tiny\n",
        "ä",
        "a/b",
        "..",
        "!",
    ],
)
def test_anything_else_is_no_name(name):
    with pytest.raises(ValidationError):
        ServiceSpec(**{**TINY.model_dump(), "name": name})


@pytest.mark.parametrize(
    "change",
    [
        {"placements": on(local=3)},
        {"placements": on(local=0)},
        {"placements": on(elsewhere=1, local=1)},
        {"startup_budget": 900.0},
        {"drain_timeout": 0.0},
    ],
)
def test_counts_and_patience_leave_the_revision_alone(change):
    """Scaling must not replace replicas that are good as they are."""
    assert TINY.model_copy(update=change).revision == TINY.revision


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"source": Source("tiny", "ops", "2")},
        {"source": Source("hf", "org/repo/file.gguf")},
        {"gpu": "none"},
        {"gpu": 1},
        {"context": 4096},
        {"settings": (("threads", "2"),)},
        {"cpus": 0.5},
        {"memory": 2**33},
        {"namespace": "team-a"},
        {"restarts": 1},
    ],
)
def test_whatever_shapes_a_replica_makes_a_new_revision(change):
    assert TINY.model_copy(update=change).revision != TINY.revision


def test_the_revision_is_the_same_in_every_process():
    """It names replicas on targets, which outlive the bot: a new digest would orphan them."""
    assert TINY.revision == "3a608e"


def test_the_order_of_settings_does_not_matter():
    one = ServiceSpec(**{**TINY.model_dump(), "settings": (("a", "1"), ("b", "2"))})
    two = ServiceSpec(**{**TINY.model_dump(), "settings": (("b", "2"), ("a", "1"))})
    assert one == two
    assert one.revision == two.revision


def test_a_spec_survives_the_store():
    spec = TINY.model_copy(
        update={"source": Source("path", r"D:\Models\x.gguf"), "gpu": 2, "placements": on(a=2, b=1)}
    )
    assert ServiceSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_spec_of_an_older_release_is_in_its_targets_own_namespace():
    """Kept before there was such a field; and its replicas go by the revision they had."""
    kept = {k: v for k, v in TINY.model_dump(mode="json").items() if k != "namespace"}
    read = ServiceSpec.model_validate_json(json.dumps(kept))
    assert (read, read.namespace, read.revision) == (TINY, None, "3a608e")


@pytest.mark.parametrize("name", ["a", "team-a", "0", "9-lives", "default", "a--b", "x" * 63])
def test_a_dns_label_is_a_namespace(name):
    spec = ServiceSpec(**{**TINY.model_dump(), "namespace": name})
    assert spec.namespace == name
    assert ServiceSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    "name",
    ["", "Team-a", "-a", "a-", "a.b", "a_b", "a b", "x" * 64, "a\n", "ä", "٣", "a/b", "none"],
)
def test_anything_else_is_no_namespace_and_it_is_said_what_would_be(name):
    with pytest.raises(ValidationError, match="use small letters, digits and dashes") as caught:
        ServiceSpec(**{**TINY.model_dump(), "namespace": name})
    assert "at most 63" in str(caught.value)


def test_a_target_is_named_once():
    with pytest.raises(ValidationError, match="named twice"):
        ServiceSpec(
            **{**TINY.model_dump(), "placements": [{"target": "a", "replicas": 1}] * 2},
        )


@pytest.mark.parametrize("replicas", [-1, 65, 10**9])
def test_a_placement_has_a_sensible_count(replicas):
    with pytest.raises(ValidationError):
        Placement(target="local", replicas=replicas)


def test_where_reads_as_it_is_typed():
    assert TINY.where == "local"
    assert TINY.model_copy(update={"placements": on(eu=2, us=1)}).where == "eu:2,us:1"


def test_replicas_are_counted_over_targets_and_on_each():
    spec = TINY.model_copy(update={"placements": on(eu=2, us=1)})
    assert (spec.replicas, spec.replicas_on("us"), spec.replicas_on("mars")) == (3, 1, 0)


def test_one_number_scales_one_target_only():
    spread = TINY.model_copy(update={"placements": on(eu=2, us=1)})
    assert TINY.scaled(5).placements == on(local=5)
    assert spread.scaled(0).placements == on(eu=0, us=0)
    with pytest.raises(ValueError, match="eu:2,us:1"):
        spread.scaled(4)


def test_a_restart_is_a_new_revision_each_time():
    once, twice = TINY.restarted(), TINY.restarted().restarted()
    assert len({TINY.revision, once.revision, twice.revision}) == 3
    assert once.placements == TINY.placements
