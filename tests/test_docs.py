"""What is written about commands and settings is what there is."""

from pathlib import Path

import click
import pytest
import yaml

from commands.reference import failures, reference
from commands.verb import spelled
from commands.verbs import all_verbs
from deployers import registry
from domain.arguments import ARGUMENTS
from domain.rules import COMMANDS
from ops_config import sample
from ops_config.load import parse
from ops_config.settings import Section
from tests.inference.measured import everything_measured

DOCS = Path(__file__).parents[1] / "docs"
VERBS = [verb for verb in all_verbs().values() if not verb.hidden]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("commands.md", reference(all_verbs())),
        ("failures.md", failures()),
        ("settings.md", sample.reference()),
    ],
)
def test_the_pages_are_those_the_code_writes(file, text):
    assert (DOCS / file).read_text(encoding="utf-8") == text, "run script/docs"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_command_is_explained_with_its_options_and_an_example(verb):
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {verb.name}\n")[2].partition("\n## ")[0]
    assert f"!{verb.usage}" in section
    assert verb.summary
    assert verb.examples
    for param in verb.params:
        if isinstance(param, click.Option):
            assert param.help, param.opts
            assert f"`{spelled(param)}`".replace("|", "\\|") in section


def test_the_example_of_access_is_a_configuration_that_is_taken():
    page = (DOCS / "access.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    targets = {
        t: {"kind": "process"} for e in example["environments"].values() for t in e["targets"]
    }
    whole = {**yaml.safe_load(sample.sample()), **example, "targets": targets}
    assert set(parse(whole).roles) == {"scaler", "builds", "release-leads"}
    for name in (*COMMANDS, *ARGUMENTS):
        assert f"`{name}`" in page
    lines = (DOCS / "settings.md").read_text(encoding="utf-8").splitlines()
    (when,) = (line for line in lines if line.startswith("| `when` |"))
    assert [name for name in ARGUMENTS if f"`{name}`" not in when] == []


def test_the_example_of_approvals_is_a_configuration_that_is_taken():
    page = (DOCS / "approvals.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    whole = {**yaml.safe_load(sample.sample()), **example, "rooms": {}}
    whole["targets"] = {t: {"kind": "process"} for t in example["environments"]["prod"]["targets"]}
    approvals = parse(whole).environments["prod"].approvals
    assert (approvals["stop"].by, approvals["scale"].quorum) == ("requester", 0)


def sections():
    """Every model a configuration is made of."""
    kinds = [registry.kind(name).settings for name in registry.names()]
    return [*Section.__subclasses__(), *kinds]


@pytest.mark.parametrize("model", sections(), ids=lambda model: model.__name__)
def test_every_setting_has_words_that_explain_it_and_a_line_in_the_docs(model):
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    for name, field in model.model_fields.items():
        assert field.description, name
        assert f"`{name}" in page


def test_hidden_commands_stay_out_of_the_docs():
    hidden = [verb.name for verb in all_verbs().values() if verb.hidden]
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert hidden
    assert not [name for name in hidden if f"## {name}" in page]


def test_every_metric_is_explained_as_it_is():
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `gantry_")]
    told = {
        row[0].strip("| `"): (row[1], frozenset(row[2].replace("`", "").split())) for row in rows
    }
    assert told == {
        name: (kind, labels) for name, kind, labels in everything_measured() if "gantry" in name
    }
