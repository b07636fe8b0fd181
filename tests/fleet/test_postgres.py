"""What is PostgreSQL's own: what it refuses, how it sorts, and who has to import it."""

import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from bot.clock import SystemClock
from domain.errors import ConfigError, Unreachable
from fleet.store.files import File
from fleet.store.postgres import Address, Shared
from fleet.store.sealed import SealedEvent
from tests.postgres import name_of, opened

from .world import ROOM, filed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ODD = "a\0b \ud83d \U0001f980 \N{REPLACEMENT CHARACTER}"
MENDED = "a\N{REPLACEMENT CHARACTER}b ? \U0001f980 \N{REPLACEMENT CHARACTER}"


@pytest.fixture
async def url(postgres):
    return await postgres.fresh()


@pytest.fixture
async def database(url):
    store = await opened(url)
    yield store
    await store.aclose()


async def test_text_that_it_refuses_is_kept_mended(database):
    operation = replace(filed("deploy", NOON), text=ODD, summary="\0")
    event = {"content": {"body": ODD}, ODD: [None, True]}
    async with database.transaction() as tx:
        [kept] = await tx.operations.file([operation])
        await tx.messages.want(f"operation:{kept.id}", ROOM, {"body": ODD})
        await tx.files.keep("file", File("a.txt", ODD))
        await tx.sealed.keep([SealedEvent("$1", ROOM, event, NOON)])
    async with database.transaction() as tx:
        assert (await tx.operations.get(operation.id)).text == MENDED
        assert (await tx.files.get("file")).text == MENDED
        assert (await tx.messages.unsaid())[0].wanted == {"body": ODD}, "JSON escapes it"
        assert (await tx.sealed.all())[0].event == event


async def test_what_is_said_is_compared_as_it_was_written(database):
    content = {"body": ODD, "b": [1.5, None], "a": {"z": True}}
    async with database.transaction() as tx:
        await tx.messages.want("k", ROOM, content)
        await tx.messages.said("k", "$1", {**content, "b": []})
        assert len(await tx.messages.unsaid()) == 1
        await tx.messages.said("k", "$1", content)
        assert await tx.messages.unsaid() == []


async def test_every_text_is_in_the_order_of_its_bytes(postgres, url):
    """The order of the database is another one here: `;` comes before `:` in it."""
    [row] = await postgres.run(name_of(url), "SELECT ';' < ':' AS languages_order")
    assert row["languages_order"]
    rows = await postgres.run(
        name_of(url),
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema ="
        " 'public' AND data_type IN ('text', 'character varying') AND table_name <> 'lease'"
        " AND collation_name IS DISTINCT FROM 'C'",
    )
    assert rows == []


async def test_many_ids_at_once_are_filed_and_found(database):
    """More than one statement's worth of them."""
    many = [filed(f"deploy {n}", NOON) for n in range(1500)]
    async with database.transaction() as tx:
        assert await tx.operations.file(many) == many
        assert await tx.operations.file(many) == []
        assert await tx.operations.unended() == many


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "postgresql://gantry@{host}/nowhere"}, 'database "nowhere" does not exist'),
        ({"url": "postgresql://stranger@{host}/{name}"}, 'role "stranger" does not exist'),
    ],
)
async def test_a_clear_no_is_told_without_the_password(postgres, url, change, said):
    host = f"127.0.0.1:{postgres.port}"
    where = change["url"].format(host=host, name=name_of(url))
    with pytest.raises(ConfigError, match=said) as caught:
        await Shared.connect(Address(where, SecretStr("hunter2"), "one"))
    assert "hunter2" not in caught.value.summary
    assert "docs/postgres.md" in caught.value.hint


async def test_one_that_is_away_may_come_back(postgres):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"postgresql://gantry@127.0.0.1:{nobody.getsockname()[1]}/gantry"
        with pytest.raises(Unreachable, match="cannot be reached"):
            await Shared.connect(Address(away, None, "one"))


async def test_who_may_not_make_tables_is_told(postgres):
    url = await postgres.empty()
    await postgres.run(name_of(url), "DROP ROLE IF EXISTS guest")
    await postgres.run(name_of(url), "CREATE ROLE guest LOGIN")
    with pytest.raises(ConfigError, match="permission denied for schema public"):
        await Shared.connect(Address(url.replace("gantry@", "guest@"), None, "one"))


async def test_tables_of_a_newer_release_are_refused_in_words(postgres, url):
    await postgres.run(name_of(url), "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="another release"):
        await opened(url)


async def test_a_migration_that_fails_leaves_nothing_half_made(postgres):
    url = await postgres.empty()
    await postgres.run(name_of(url), "CREATE TABLE revisions (x int)")
    shared = await Shared.connect(Address(url, None, "one"))
    lease = await shared.take(SystemClock())
    with pytest.raises(ConfigError, match='relation "revisions" already exists'):
        await shared.open(lease, SystemClock(), lambda _: None)
    await shared.aclose()
    rows = await postgres.run(
        name_of(url), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    assert [row["tablename"] for row in rows] == ["lease", "revisions"]


async def test_without_its_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError) as caught:
        await Shared.connect(Address("postgresql://gantry@localhost/gantry", None, "one"))
    assert caught.value.hint == "pip install 'gantry[postgres]'"


def test_a_bot_on_sqlite_imports_nothing_of_it():
    code = (
        "import sys, bot.house, bot.check\n"
        "heavy = {'asyncpg', 'sqlalchemy.dialects.postgresql', 'fleet.store.postgres'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
