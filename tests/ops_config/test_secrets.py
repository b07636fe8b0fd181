"""Secrets come from where the settings say, and are shown nowhere."""

import traceback
from pathlib import Path

import pytest

from domain.errors import ConfigError
from ops_config.load import load, parse, secret

from .test_load import changed


def test_a_secret_is_read_without_its_line_end_and_never_shown(tmp_path, monkeypatch):
    (tmp_path / "pw").write_text("hunter2\n")
    monkeypatch.setenv("GANTRY_TEST_PASSWORD", " hunter2 ")
    for found in (
        secret(tmp_path / "pw", None, "the password"),
        secret(None, "GANTRY_TEST_PASSWORD", "the password"),
    ):
        assert found.get_secret_value() == "hunter2"
        assert "hunter2" not in f"{found} {found!r}"
    assert secret(None, None, "the password") is None


def test_a_secret_that_is_not_there_is_an_error_that_says_where_it_should_be(tmp_path, monkeypatch):
    monkeypatch.delenv("GANTRY_TEST_PASSWORD", raising=False)
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe")
    for file, variable, said in [
        (tmp_path / "none", None, "none cannot be read: No such file"),
        (tmp_path, None, "cannot be read: Is a directory"),
        (empty, None, "empty is empty or missing"),
        (binary, None, "cannot be read: not text"),
        (None, "GANTRY_TEST_PASSWORD", "variable GANTRY_TEST_PASSWORD is empty or missing"),
    ]:
        with pytest.raises(ConfigError) as caught:
            secret(file, variable, "the bot's password")
        assert "the bot's password" in caught.value.summary
        assert said in caught.value.summary


@pytest.mark.parametrize(
    "path",
    ["matrix/password", "matrix/access_token", "password", "targets/local/token", "state/key"],
)
def test_a_secret_written_into_the_file_appears_nowhere(path):
    """People paste passwords where they do not belong; logs and tracebacks outlive that."""
    raw = changed(path, "hunter2")
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    error = caught.value
    assert "hunter2" not in f"{error.summary} {error.hint} {error!r}"
    assert "hunter2" not in "".join(traceback.format_exception(error))


def test_a_file_that_is_no_yaml_is_not_quoted(tmp_path):
    for text in (
        "matrix: {password: hunter2",
        "password: *hunter2",
        "password: !hunter2 x",
        "password: 'hunter2\nstate: x: y",
        "hunter2: @",
    ):
        (tmp_path / "gantry.yaml").write_text(text)
        with pytest.raises(ConfigError, match="is not YAML") as caught:
            load(tmp_path / "gantry.yaml")
        told = "".join(traceback.format_exception(caught.value))
        assert "hunter2" not in told
        assert "line " in caught.value.summary


def test_a_systemd_credential_is_read_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "matrix-password").write_text("hunter2\n")
    found = secret(Path("credential:matrix-password"), None, "the password")
    assert found.get_secret_value() == "hunter2"
    with pytest.raises(ConfigError, match="none cannot be read: No such file"):
        secret(Path("credential:none"), None, "the password")


@pytest.mark.parametrize("name", ["", "../shadow", "a/b", ".."])
def test_what_names_no_credential_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match="names no credential"):
        secret(Path(f"credential:{name}"), None, "the password")


def test_without_systemd_a_credential_says_what_to_write_into_the_unit(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="systemd gave this process none") as caught:
        secret(Path("credential:matrix-password"), None, "the password")
    assert "LoadCredential=matrix-password:" in caught.value.hint
