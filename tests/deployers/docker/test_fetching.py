"""What a fetching container is told, and what is made of what it tells."""

from __future__ import annotations

import subprocess

import pytest

from deployers.docker.container import Site, container
from deployers.docker.downloads import Origin
from deployers.docker.fetching import Heard, Order, failure, heard, script
from deployers.docker.shelf import Shelf
from deployers.engines import vllm
from deployers.engines.presets import presets
from deployers.models.repositories import Repository, Shape
from domain.errors import OpsError, Refused, Unreachable
from domain.fit import Need
from domain.replicas import ReplicaId
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source

SOURCE = parse_source("hf://org/model/folder/m.gguf")
PLACE = "/models/hf/org/model/main/folder/m.gguf"
ORDER = Order(SOURCE, "https://hub.example", PLACE, "gantry-models")


def told(*words: str, has_token: bool = False, line: str = "") -> OpsError:
    return failure(Heard(word="failed", why=words, line=line), ORDER, has_token=has_token)


def test_it_is_told_where_from_and_where_to():
    assert ORDER.environment(None) == {
        "URL": "https://hub.example/org/model/resolve/main/folder/m.gguf",
        "HUB": "https://hub.example",
        "PLACE": PLACE,
        "LINGER": "20",
    }


def test_the_token_is_in_the_environment_alone():
    told = dict(ORDER.environment("hf_secret"))
    assert told.pop("HF_TOKEN") == "hf_secret"
    assert "hf_secret" not in str(told) + ORDER.name + script()


@pytest.mark.parametrize("token", ["two words", "a\nb", 'a"b', "a\\b", "é", "\x00"])
def test_what_can_be_no_token_is_refused_without_being_told(token: str):
    with pytest.raises(Refused) as refused:
        ORDER.environment(token)
    assert token not in str(refused.value) + refused.value.hint


def test_a_name_of_a_branch_with_a_slash_is_one_part_of_the_address():
    source = parse_source("hf://org/model/m.gguf@refs/pr/1")
    assert Order(source, "https://h.example/", PLACE, "v").url == (
        "https://h.example/org/model/resolve/refs%2Fpr%2F1/m.gguf"
    )


def test_the_same_file_in_the_same_place_has_one_container():
    again = Order(SOURCE, "https://other.example", PLACE, "gantry-models")
    assert again.name == ORDER.name
    assert Order(SOURCE, ORDER.hub, PLACE, "another").name != ORDER.name
    assert Order(SOURCE, ORDER.hub, PLACE + "2", ORDER.volume).name != ORDER.name


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Heard()),
        (["gantry part 10 100"], Heard(10, 100, "part")),
        (["gantry part 10 ?"], Heard(10, None, "part")),
        (["gantry part 10 100", "gantry part 60 100"], Heard(60, 100, "part")),
        (
            ["gantry part 10 100", "curl: (18) transfer closed", "gantry again 10 18"],
            Heard(10, 100, "again", (), "curl: (18) transfer closed"),
        ),
        (["gantry part 9 9", "gantry checking"], Heard(9, 9, "checking")),
        (
            ["gantry failed answered 401 GatedRepo"],
            Heard(word="failed", why=("answered", "401", "GatedRepo")),
        ),
        (["gantry", "gantry part", "gantry part x y", "\x00"], Heard(0, None, "part", (), "\x00")),
    ],
)
def test_its_log_tells_how_far_it_is(lines: list[str], expected: Heard):
    assert heard(lines) == expected


@pytest.mark.parametrize(
    ("words", "kind", "summary"),
    [
        (("answered", "401", "GatedRepo"), Refused, "org/model is gated: it needs a token"),
        (("answered", "403"), Refused, "org/model is gated"),
        (("answered", "404", "EntryNotFound"), Refused, "org/model holds no file folder/m.gguf"),
        (("answered", "404", "RevisionNotFound"), Refused, "has no revision main"),
        (("answered", "429"), Unreachable, "hub.example answered 429"),
        (("small", "2000000000", "1000"), Refused, "2 GB to fetch, 1 kB free"),
        (("full",), Refused, "the disk is full in that host's volume gantry-models"),
        (("damaged",), Refused, "came damaged"),
        (("without", "curl"), Refused, "the image has no curl"),
        (("unwritable",), Refused, "cannot be written to"),
        (("curl", "6"), Unreachable, "its name cannot be resolved there"),
        (("curl", "7"), Unreachable, "it does not answer there"),
        (("curl", "60"), Unreachable, "its certificate is not believed there"),
        (("curl", "92"), Unreachable, "the download breaks off"),
        ((), Unreachable, "hub.example cannot be reached"),
    ],
)
def test_why_it_failed_is_told_in_words(words, kind, summary: str):
    error = told(*words)
    assert type(error) is kind
    assert summary in error.summary


def test_a_token_is_asked_for_where_a_target_has_it():
    assert "set hf_token_file for the target" in told("answered", "401", "GatedRepo").hint
    refused = told("answered", "401", "GatedRepo", has_token=True)
    assert "the target's token was not let in" in refused.summary


def test_an_engine_that_fetches_by_itself_is_told_as_its_library_reads_it():
    assert Origin("https://huggingface.co", lambda: None).environment() == {}
    mirror = Origin("https://hub.example", lambda: "hf_secret")
    assert mirror.environment() == {"HF_ENDPOINT": "https://hub.example", "HF_TOKEN": "hf_secret"}


def test_vllm_needs_room_for_one_conversation_of_the_whole_context():
    want = ServiceSpec(
        name="qwen",
        source="hf://org/model",
        engine="vllm",
        placements=(Placement(target="wks", replicas=1),),
    )
    there = Repository(988_097_824, Shape("Qwen2ForCausalLM", 32_768, 12_288, 2))
    asked = want.model_copy(update={"context": 4096})
    whole = Need(
        988_097_824, 32_768 * 12_288, 1_500_000_000, 32_768, cards=1, share=0.9, floor=4 << 30
    )
    assert vllm.need(want, there) == whole
    assert vllm.need(asked, there) == whole.holding(4096)
    assert vllm.need(want, Repository(1, Shape())) is None
    share = vllm.need(want.model_copy(update={"settings": (("gpu-memory", "0.4"),)}), there)
    assert share is not None
    assert (share.share, share.floor) == (0.4, 0)


def test_a_replica_whose_engine_fetches_has_the_token_in_its_environment_alone():
    want = ServiceSpec(
        name="qwen",
        source="hf://org/model",
        engine="vllm",
        env=(("HF_HOME", "/elsewhere"),),
        placements=(Placement(target="wks", replicas=1),),
    )
    made = container(
        ReplicaId("qwen", want.revision, 0),
        want,
        presets()["vllm"],
        "cuda",
        Site(Shelf("gantry-models")),
        image="vllm/vllm-openai:latest",
        operation="op1",
        secrets={"HF_TOKEN": "hf_secret", "HF_HOME": "/told"},
    )
    assert made.environment["HF_TOKEN"] == "hf_secret"
    assert made.environment["HF_HOME"] == "/elsewhere"
    assert "hf_secret" not in str(made.command) + str(made.labels)


@pytest.mark.parametrize("shell", [["sh", "-n"], ["busybox", "sh", "-n"]])
def test_every_shell_understands_the_script(shell: list[str]):
    done = subprocess.run(shell, input=script(), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
