"""What a service was, and the way back to it."""

import hashlib

import pytest

from .test_worker import BOB


@pytest.fixture
async def tiny(desk):
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!deploy tiny tiny://other --ctx 512")
    await desk.says("!scale tiny 2")


async def source(world):
    return str((await world.wanted()).source)


async def test_history_tells_what_each_revision_changed(desk, world, tiny):
    head, newest, oldest = (await desk.says("!history tiny", sender=BOB)).splitlines()
    assert head.split() == ["rev", "revision", "since", "op", "content", "what", "changed"]
    assert newest.startswith("2 ")
    assert "← now" in newest
    assert "source: tiny://ops → tiny://other; context: default → 512" in newest
    assert oldest.startswith("1 ")
    assert oldest.endswith("tiny://ops on a")


async def test_a_rollback_is_a_rollout_and_keeps_the_replicas(desk, world, tiny):
    assert "✓ tiny is live on a: 2 replicas" in await desk.says("!rollback tiny")
    assert await source(world) == "tiny://ops"
    assert len(await world.running()) == 2
    assert "✓ tiny is live" in await desk.says("!rollback tiny 2")
    assert await source(world) == "tiny://other"
    assert (await desk.says("!history tiny")).splitlines()[1].startswith("4 ")


async def test_a_revision_is_known_by_its_name_as_well(desk, world, tiny):
    name = (await desk.says("!history tiny")).splitlines()[2].split()[1]
    assert f"`{name}`" in await desk.says(f"!rollback tiny {name}")
    assert "already is like that" in await desk.says(f"!rollback tiny {name}")


async def test_what_was_removed_comes_back_as_it_last_was(desk, world, tiny):
    await desk.says("!remove tiny")
    assert "source" not in await desk.says("!diff tiny 1")
    assert "✓ tiny is live on a" in await desk.says("!rollback tiny")
    assert await source(world) == "tiny://other"


async def test_a_rollback_can_be_planned(desk, world, tiny):
    told = await desk.says("!rollback tiny --plan", sender=BOB)
    assert "source: `tiny://other` → `tiny://ops`" in told
    assert await source(world) == "tiny://other"


async def test_a_diff_tells_what_changed_since(desk, tiny):
    told = await desk.says("!diff tiny 1", sender=BOB)
    assert "context: `default` → `512`" in told
    assert "replicas" not in told
    assert "nothing differs" in await desk.says("!diff tiny 2")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("!history tyni", "there is no service `tyni`"),
        ("!rollback tyni", "there is no service `tyni`"),
        ("!rollback tiny 9", "tiny has no revision `9`"),
        ("!diff tiny x", "tiny has no revision `x`"),
        ("!rollback", "`rollback` needs a NAME"),
    ],
)
async def test_what_was_never_there_is_said_to_be_so(desk, world, tiny, command, why):
    assert why in await desk.says(command)
    assert await source(world) == "tiny://other"


async def test_what_was_never_anything_else_has_no_way_back(desk, world):
    await desk.says("!deploy tiny tiny://ops")
    assert "was never anything else" in await desk.says("!rollback tiny")
    assert await source(world) == "tiny://ops"


async def test_going_back_takes_an_operator(desk, world, tiny):
    assert "takes the role operator" in await desk.says("!rollback tiny", sender=BOB)
    assert await source(world) == "tiny://other"


async def test_going_back_to_what_does_not_work_keeps_what_does(desk, world):
    await desk.says("!deploy tiny tiny://never-ready")
    await desk.says("!deploy tiny tiny://ops")
    assert "has no revision" in await desk.says("!rollback tiny 2")
    assert await source(world) == "tiny://ops"


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "model.gguf"
    made.write_bytes(b"GGUF, the first")
    return made


async def test_history_tells_what_was_really_run(desk, file):
    await desk.says(f"!deploy tiny path:{file}")
    newest = (await desk.says("!history tiny")).splitlines()[1]
    assert f"  {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}  " in newest


async def test_the_same_name_for_another_file_is_another_revision(desk, file):
    await desk.says(f"!deploy tiny path:{file}")
    file.write_bytes(b"GGUF, the second")
    await desk.says("!stop tiny")
    await desk.says("!scale tiny 1")
    _, newest, oldest = (await desk.says("!history tiny")).splitlines()
    assert newest.startswith("2 ")
    assert "sha256: " in newest
    assert "← now" in newest
    assert "← now" not in oldest
    told = await desk.says("!diff tiny 1")
    assert "source" not in told
    assert "size: `15` → `16`" in told
    first = hashlib.sha256(b"GGUF, the first").hexdigest()[:8]
    second = hashlib.sha256(b"GGUF, the second").hexdigest()[:8]
    assert f"sha256: `{first}` → `{second}`" in told


async def test_a_rollback_to_a_file_that_was_replaced_warns_in_plan_and_outcome(desk, file):
    await desk.says(f"!deploy tiny path:{file}")
    await desk.says("!deploy tiny tiny://ops")
    assert "Note:" not in await desk.says("!rollback tiny --plan")
    file.write_bytes(b"GGUF, the second")
    warning = f"Note: path:{file} is not what revision 1 ran: sha256 "
    assert warning in await desk.says("!rollback tiny --plan")
    told = await desk.says("!rollback tiny")
    assert told.startswith("✓ tiny is live")
    assert warning in told


async def test_a_rollback_to_the_same_file_warns_of_nothing(desk, file):
    await desk.says(f"!deploy tiny path:{file}")
    await desk.says("!deploy tiny tiny://ops")
    assert "Note:" not in await desk.says("!rollback tiny")
