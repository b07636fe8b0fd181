"""`gantry audit` proves what was kept, finds what was tampered with, and writes it out."""

import asyncio
import json
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import aclosing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bot.__main__ import gantry
from domain.chain import Entry
from fleet.store.database import Store

from .homeserver import ANN, ROOT
from .test_worker import BOB


@pytest.fixture
async def store(tmp_path):
    """A file, which can be read and tampered with beside the bot."""
    async with aclosing(await Store.open(tmp_path / "gantry.db")) as made:
        yield made


@pytest.fixture
def config(tmp_path):
    """Of the state that the desk works on."""
    file = tmp_path / "gantry.yaml"
    matrix = {"homeserver": "http://127.0.0.1:1", "user_id": ROOT, "password_file": "none"}
    made = {
        "matrix": matrix,
        "state": {"url": f"sqlite:///{tmp_path}/gantry.db"},
        "environments": {"prod": {"targets": ["a"]}},
        "access": {},
        "targets": {"a": {"kind": "rehearsal"}},
    }
    file.write_text(yaml.safe_dump(made))
    return file


@pytest.fixture
def cli(config):
    """Run `gantry audit` on it. Returns (exit code, standard output, standard error)."""

    async def invoke(*words):
        given = () if "--file" in words else ("--config", str(config))
        command = ["audit", *words, *given]
        result = await asyncio.to_thread(CliRunner().invoke, gantry, command)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return invoke


@pytest.fixture
async def past(desk):
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!ping")
    await desk.says("!stop tiny", sender=BOB)
    await desk.says("!deploy grün tiny://ops")


def tamper(config, *statements):
    """As somebody would who can write the file: triggers hold nobody who may remove them."""
    connection = sqlite3.connect(config.parent / "gantry.db")
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def exported(cli, *options):
    code, text, _ = await cli("export", *options)
    assert code == 0
    return text.splitlines()


async def test_what_the_bot_wrote_verifies_while_it_runs(cli, desk, past):
    code, told, _ = await cli("verify")
    assert code == 0
    newest = json.loads((await exported(cli))[-1])["hash"]
    assert told == (
        f"✓ records: 4, none changed, missing or out of order; the newest has the hash {newest}\n"
    )
    await desk.says("!ping")
    assert "records: 5" in (await cli("verify"))[1]
    assert (await cli("verify", "--head", newest))[0] == 0
    assert (await cli("verify", "--head", newest[:16].upper()))[0] == 0


async def test_before_anything_was_asked_there_is_nothing_to_prove(cli, desk):
    assert await cli("verify") == (0, "✓ there are no records yet\n", "")
    assert await exported(cli) == []
    assert (await cli("verify", "--head", "0" * 16))[0] == 1


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit SET text = replace(text, 'bob', 'ann')", "record 3 was changed"),
        ("UPDATE audit SET notable = 0 WHERE sequence = 1", "record 1 was changed"),
        ("UPDATE audit SET text = 'nonsense' WHERE sequence = 2", "record 2 was changed"),
        ("UPDATE audit SET text = x'ff' WHERE sequence = 2", "record 2 was changed"),
        ("UPDATE audit SET hash = 'x' WHERE sequence = 4", "record 4 was changed"),
        ("UPDATE audit SET previous = 'x' WHERE sequence = 4", "record 4 was changed"),
        ("DELETE FROM audit WHERE sequence = 2", "record 2 is missing before record 3"),
        ("DELETE FROM audit WHERE sequence < 3", "records 1 to 2 are missing before record 3"),
        ("UPDATE audit SET sequence = sequence + 1 WHERE sequence = 4", "record 4 is missing"),
    ],
)
async def test_the_first_broken_record_is_named(cli, config, past, statement, told):
    tamper(config, statement)
    code, out, error = await cli("verify")
    assert (code, out) == (1, "")
    assert error.startswith(f"✗ {told}")


async def test_two_records_that_changed_places_are_found(cli, config, past):
    tamper(
        config,
        "UPDATE audit SET sequence = -1 WHERE sequence = 2",
        "UPDATE audit SET sequence = 2 WHERE sequence = 3",
        "UPDATE audit SET sequence = 3 WHERE sequence = -1",
    )
    assert (await cli("verify"))[2].startswith("✗ record 2 was changed")


async def test_an_end_that_was_cut_off_is_found_by_a_hash_kept_elsewhere(cli, config, past):
    newest = json.loads((await exported(cli))[-1])["hash"]
    tamper(config, "DELETE FROM audit WHERE sequence = 4")
    assert (await cli("verify"))[0] == 0
    code, _, error = await cli("verify", "--head", newest)
    assert code == 1
    assert "the end of the chain was taken off" in error


async def test_an_export_holds_every_record_and_verifies_by_itself(cli, past, tmp_path):
    lines = await exported(cli)
    said = [json.loads(line) for line in lines]
    assert [each["sequence"] for each in said] == [1, 2, 3, 4]
    assert [each["mxid"] for each in said] == [ANN, ANN, BOB, ANN]
    assert said[3]["arguments"] == "grün tiny://ops"
    file = tmp_path / "export.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "records: 4" in (await cli("verify", "--file", str(file)))[1]
    known = Entry.of_line(lines[1]).head.short
    assert (await cli("verify", "--file", str(file), "--head", known))[0] == 0


async def test_an_export_can_be_followed_without_us_as_the_page_says(cli, past):
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    lines = await exported(cli)

    async def follow(text):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdin=PIPE, stderr=PIPE, env={"PYTHONUTF8": "1"}
        )
        _, error = await process.communicate(text.encode())
        return error.decode()

    assert await follow("\n".join(lines)) == ""
    assert "record 3 was changed" in await follow("\n".join(lines).replace("bob", "eve"))
    assert "record 3 does not follow" in await follow("\n".join([lines[0], *lines[2:]]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[1:], "record 1 is missing before record 2"),
        (lambda lines: [lines[0], lines[2], lines[1]], "record 2 is missing before record 3"),
        (lambda lines: [lines[0], lines[0]], "record 1 stands after record 1"),
        (lambda lines: [lines[0].replace("ann", "eve")], "record 1 was changed"),
        (lambda lines: [lines[0], "{}"], "line 2 of "),
        (lambda lines: [lines[0], "no JSON"], "line 2 of "),
        (lambda lines: [lines[0], "", lines[1]], "line 2 of "),
        (lambda lines: [lines[0][:50]], "line 1 of "),
    ],
)
async def test_an_export_that_was_touched_is_found_out(cli, past, tmp_path, change, told):
    file = tmp_path / "export.jsonl"
    file.write_text("\n".join(change(await exported(cli))) + "\n", encoding="utf-8")
    code, out, error = await cli("verify", "--file", str(file))
    assert (code, out) == (1, "")
    assert error.startswith(f"✗ {told}")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--user", "@bob:*"), [3]),
        (("--target", "a"), [1]),
        (("--user", ANN, "--target", "b"), []),
        (("--since", "1h"), []),
        (("--since", "366d"), [1, 2, 3, 4]),
    ],
)
async def test_an_export_may_be_of_some_records(cli, past, monkeypatch, options, expected):
    """The desk lives on the first of January 2026."""
    from datetime import UTC, datetime, timedelta

    class Now(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=30)

    monkeypatch.setattr("bot.audit_command.datetime", Now)
    lines = await exported(cli, *options)
    assert [json.loads(line)["sequence"] for line in lines] == expected


async def test_a_record_that_cannot_be_read_stops_the_export(cli, config, past):
    tamper(config, "UPDATE audit SET text = '[]' WHERE sequence = 2")
    code, out, error = await cli("export")
    assert code == 1
    assert len(out.splitlines()) == 1
    assert error.startswith("✗ record 2 cannot be read")


@pytest.mark.parametrize("head", ["", "abc", "x" * 16, "a" * 65])
async def test_a_hash_that_is_none_is_wrong_usage(cli, desk, head):
    code, _, error = await cli("verify", "--head", head)
    assert code == 2
    assert "hexadecimal" in error


async def test_without_a_state_or_a_file_it_says_what_is_missing(cli, config, tmp_path):
    code, _, error = await cli("verify", "--file", str(tmp_path / "none"))
    assert (code, error) == (
        2,
        f"✗ {tmp_path / 'none'} cannot be read: No such file or directory\n",
    )
    code, _, error = await cli("verify")
    assert code == 2
    assert "cannot be read: unable to open database file" in error
    assert not (tmp_path / "gantry.db").exists()
    config.write_text("{}")
    assert (await cli("export"))[0] == 2
