"""Secrets come from where the settings say, and are shown nowhere."""

import traceback

import pytest

from domain.errors import ConfigError
from ops_config.load import parse, secret

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
