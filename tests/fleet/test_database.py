"""Opening the state: migrated, private, held by one process, and honest when it cannot be."""

import asyncio
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from domain.errors import Busy, ConfigError
from fleet.store import database
from fleet.store.database import HEAD, Store, sqlite_path
from fleet.store.migrations.runner import config
from fleet.store.tables import metadata

from .world import filed


def tables(path):
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    finally:
        connection.close()


def run(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_newest_migration_is_the_one_the_code_expects():
    """A stale HEAD would skip a migration on every state that is one behind."""
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


async def test_migrations_make_exactly_the_tables_the_code_uses(store):
    def ours(_, name, kind, *__):
        return (kind, name) != ("table", "lease")  # there before anything is migrated

    def differences(connection):
        options = {"compare_type": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, metadata)

    async with store.transaction() as tx:
        connection = tx.services._connection
        assert await connection.run_sync(differences) == []


async def test_a_state_is_made_in_folders_that_are_not_there_yet(tmp_path):
    path = tmp_path / "a b" / "c?d#e%20" / "gantry.db"
    store = await Store.open(path)
    await store.aclose()
    assert "operations" in tables(path)


async def test_what_was_kept_is_there_after_a_restart(tmp_path, world):
    operation = filed("deploy tiny", world.clock.now())
    for expected in ([operation], []):
        store = await Store.open(tmp_path / "again.db")
        async with store.transaction() as tx:
            assert await tx.operations.file([operation]) == expected
        await store.aclose()


async def test_only_its_owner_may_read_the_state(tmp_path):
    """It holds the access token."""
    store = await Store.open(tmp_path / "mine.db")
    async with store.transaction() as tx:
        await tx.operations.unended()
    found = [path for path in tmp_path.glob("mine.db*") if path.suffix != ".lock"]
    assert found
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    await store.aclose()


async def test_the_state_is_written_ahead(file, tmp_path):
    connection = sqlite3.connect(tmp_path / "gantry.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


async def test_a_second_bot_is_refused_until_the_first_lets_go(tmp_path):
    path = tmp_path / "gantry.db"
    first = await Store.open(path)
    with pytest.raises(Busy, match=rf"another bot holds .* \(process {os.getpid()}\)"):
        await Store.open(path)
    await first.aclose()
    await (await Store.open(path)).aclose()


async def test_a_second_process_is_refused_too(file, tmp_path):
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from fleet.store.database import Store; from domain.errors import Busy\n"
        "try: asyncio.run(Store.open(Path(sys.argv[1])))\n"
        "except Busy: sys.exit(7)\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        str(tmp_path / "gantry.db"),
        cwd=Path(database.__file__).parents[2],
    )
    assert await other.wait() == 7


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 99]
)
async def test_a_file_that_is_no_state_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "gantry.db"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(ConfigError, match="is not a Gantry database") as caught:
            await Store.open(path)
        assert str(path) in caught.value.summary
    assert path.read_bytes() == content


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        await Store.open(tmp_path / "file" / "gantry.db")


async def test_a_migration_that_fails_leaves_nothing_half_made(tmp_path):
    """A bot killed during its first start must be able to start again."""
    path = tmp_path / "gantry.db"
    run(path, "CREATE TABLE revisions (x)")
    with pytest.raises(ConfigError, match="table revisions already exists"):
        await Store.open(path)
    assert tables(path) == {"revisions"}
    run(path, "DROP TABLE revisions")
    await (await Store.open(path)).aclose()


async def test_the_state_of_a_newer_release_is_refused_in_words(tmp_path):
    path = tmp_path / "gantry.db"
    await (await Store.open(path)).aclose()
    run(path, "UPDATE alembic_version SET version_num = '9999'")
    for _ in range(2):
        with pytest.raises(ConfigError, match="another release"):
            await Store.open(path)


async def test_a_transaction_that_raises_keeps_nothing(store, world):
    operation = filed("deploy tiny", world.clock.now())

    async def fail():
        async with store.transaction() as tx:
            await tx.operations.file([operation])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.transaction() as tx:
        assert await tx.operations.unended() == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/gantry/gantry.db", "/var/lib/gantry/gantry.db"),
        ("sqlite:///gantry.db", str(Path("gantry.db").absolute())),
    ],
)
def test_a_sqlite_url_names_a_file(url, path):
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize("url", ["", "gantry.db", "sqlite://", "postgresql://u:hunter2@host/db"])
def test_anything_else_does_not_and_tells_no_password(url):
    with pytest.raises(ConfigError) as caught:
        sqlite_path(url)
    assert "sqlite:////" in caught.value.hint
    assert "hunter2" not in caught.value.summary
