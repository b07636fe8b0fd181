"""The sample, the reference and the schema are made from the fields they describe."""

import re

import yaml

from ops_config.load import parse
from ops_config.sample import reference, sample, schema

from .json_schema import Schema


def uncommented(text):
    """The sample with every optional setting switched on."""
    return re.sub(r"^( *)# ((- )?[\w\"#:.]+:( .*)?)$", r"\1\2", text, flags=re.MULTILINE)


def test_the_sample_is_valid_as_it_stands():
    settings = parse(yaml.safe_load(sample()))
    assert settings.environments["dev"].targets == ("local",)
    assert not settings.roles


def test_every_line_that_can_be_switched_on_is_a_setting():
    """All of them together but the other ways to log in, on the kind of database that takes all."""
    text = "\n".join(
        line
        for line in uncommented(sample()).splitlines()
        if not re.match(r" *(password_env|access_token_\w+|refresh_token_file):", line)
    )
    raw = yaml.safe_load(text)
    raw["state"]["url"] = "postgresql://gantry@db.example.org/gantry"
    settings = parse(raw)
    assert settings.matrix.max_command_age == 600
    assert settings.monitoring.probe_every == 10
    assert settings.environments["dev"].default_target == "local"
    assert settings.environments["dev"].defaults.gpu == "none"
    assert settings.roles["scaler"].may[0].commands == ("scale", "restart")


def test_every_setting_stands_in_the_sample_under_words_that_explain_it():
    lines = sample().splitlines()
    for number, line in enumerate(lines):
        if re.match(r" +(# )?\w+: ", line) and not re.match(r" *(kind|# [A-Z])", line):
            assert lines[number - 1].lstrip().startswith("# "), line


def test_the_reference_says_what_is_needed_and_what_the_default_is():
    text = reference()
    assert "| `homeserver` | needed |" in text
    assert "| `max_command_age` | `600.0` |" in text
    assert "## `targets.NAME` with `kind: rehearsal`" in text
    assert "``" not in text


def test_the_schema_takes_the_sample_and_what_an_editor_should_take():
    rules = Schema(schema())
    good = yaml.safe_load(sample())
    assert rules.takes(good)
    assert rules.takes({**good, "monitoring": {"probe_every": "10s"}})
    assert rules.takes({**good, "monitoring": {"probe_every": 2.5}})


def test_the_schema_refuses_what_the_bot_refuses():
    rules = Schema(schema())
    good = yaml.safe_load(sample())
    assert not rules.takes({**good, "zzz": 1})
    assert not rules.takes({key: good[key] for key in good if key != "matrix"})
    assert not rules.takes({**good, "monitoring": {"probe_every": "often"}})
    assert not rules.takes({**good, "targets": {"a": {"kind": "mainframe"}}})
    assert not rules.takes({**good, "targets": {"a": {"kind": "process", "threds": 1}}})
    assert not rules.takes({**good, "matrix": {**good["matrix"], "prefix": "/"}})
