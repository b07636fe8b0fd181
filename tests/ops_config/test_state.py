"""Where the state is: a file, or a database whose password is somewhere else."""

import pytest

from domain.errors import ConfigError
from ops_config.load import parse

from .test_load import changed

URL = "postgresql://gantry@db.example.org:5432/gantry"
FOLDER = "/var/lib/gantry"


def state(**given):
    return parse(changed("state", given)).state


def complaint(**given):
    with pytest.raises(ConfigError) as caught:
        state(**given)
    return caught.value.summary


@pytest.mark.parametrize("url", [URL, URL.replace("://", "+asyncpg://")])
def test_a_database_is_taken_with_a_folder(url):
    assert state(url=url, folder=FOLDER).shared
    assert not parse(changed("state/keep_for", "1d")).state.shared


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gantry:hunter2@db/gantry",
        "postgresql+asyncpg://gantry:hunter2@db/gantry",
        "postgresql://:hunter2@/gantry?host=/run/postgresql",
        "postgresql://gantry:hun@ter2@db/gantry",
        "postgresql://db/gantry?user=gantry&password=hunter2",
        "postgresql://gantry:hunter2@[::1/gantry",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url):
    said = complaint(url=url, folder=FOLDER)
    assert "password_file" in said
    assert "hunter2" not in said
    assert "ter2" not in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": URL}, "folder is needed"),
        ({"url": URL, "folder": FOLDER, "password_file": "/a", "password_env": "A"}, "both"),
        ({"url": URL, "folder": FOLDER, "instance": "two words"}, "state.instance"),
        ({"url": "sqlite:////a.db", "folder": FOLDER}, "folder is for PostgreSQL"),
        ({"url": "sqlite:////a.db", "instance": "one"}, "instance is for PostgreSQL"),
    ],
)
def test_what_does_not_fit_together_is_named(given, said):
    assert said in complaint(**given)
