"""What is said when there is no way by SSH."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from bot.clock import SystemClock
from deployers.docker.ways.connections import connection
from domain.errors import Refused, Unreachable
from domain.targets import DockerTarget
from tests.deployers.docker.ways import (
    NO_FORWARDING,
    answers,
    fetched,
    programs,
    runs,
    until,
    way_to,
    why,
)
from tests.sshd import Sshd

pytestmark = pytest.mark.docker


async def test_a_key_that_is_not_let_in_is_told(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config(key="stranger")) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Refused)
        assert "no key that it offers is accepted" in error.summary
        assert "authorized_keys" in error.hint


async def test_an_unknown_and_a_changed_host_key_are_told_apart(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config(known="")) as ssh:
        unknown = await why(ssh.open())
        assert sshd.log.count("Failed publickey") == sshd.log.count("Accepted publickey") == 0
    async with way_to(sshd, engine, sshd.config(known="other_host")) as ssh:
        changed = await why(ssh.open())

    assert isinstance(unknown, Refused)
    assert "the host's key is not known (it shows SHA256:" in unknown.summary
    assert isinstance(changed, Refused)
    assert "another key than the one that is known (it shows SHA256:" in changed.summary


async def test_a_locked_key_is_no_reason_to_wait_for_a_passphrase(sshd: Sshd, engine: Path):
    locked = sshd.make_key("locked", "secret")
    async with way_to(sshd, engine, sshd.config(key="locked")) as ssh:
        error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert f"the key {locked} is locked by a passphrase" in error.summary
    assert "secret" not in f"{error.summary} {error.hint}"


async def test_who_has_no_key_is_not_sent_to_the_host(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config(key="missing")) as ssh:
        error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert f"no key to log in with: {sshd.folder / 'missing'} is none" in error.summary
    assert "ssh-keygen" in error.hint


async def test_trouble_on_the_way_there_is_not_laid_to_the_host(sshd: Sshd, engine: Path):
    with Sshd.started() as hop:
        for key, said in (("stranger", "does not let the bot log in"), ("user", "is not known")):
            config = sshd.config(
                f"Host hop\nHostName 127.0.0.1\nPort {hop.port}\nIdentityFile {hop.folder / key}",
                f"StrictHostKeyChecking {'no' if key == 'stranger' else 'yes'}",
                "Host 127.0.0.1\nProxyJump hop",
            )
            async with way_to(sshd, engine, config) as ssh:
                error = await why(ssh.open())
            assert isinstance(error, Refused)
            assert ": on the way there" in error.summary
            assert said in error.summary


async def test_what_is_wrong_with_a_configuration_is_told(sshd: Sshd, engine: Path):
    async with way_to(sshd, engine, sshd.config("Nonsense yes")) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Refused)
        assert "does not take its configuration" in error.summary
        assert await ssh.cards() is None
    async with way_to(sshd, engine, sshd.folder / "none") as ssh:
        assert "does not take its configuration" in (await why(ssh.open())).summary


async def test_somebody_who_is_silent_is_given_up(sshd: Sshd):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = sshd.config(f"Port {silent.getsockname()[1]}")
        settings = DockerTarget(kind="docker", host="ssh://somebody@127.0.0.1", ssh_config=config)
        ssh = connection(settings, SystemClock(), sshd.folder / "run")
        error = await why(ssh.open())
        await ssh.aclose()

    assert isinstance(error, Unreachable)
    assert "does not answer" in error.summary


async def test_no_daemon_and_no_permission_and_no_socket_are_told_apart(sshd: Sshd):
    stale = sshd.folder / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(stale))

    async with way_to(sshd, stale) as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Unreachable)
        assert f"Docker is not running there: nobody answers on {stale}" in error.summary
    async with way_to(sshd, sshd.folder / "none.sock") as ssh:
        error = await why(ssh.open())
        assert isinstance(error, Unreachable)
        assert f"there is no {sshd.folder}/none.sock" in error.summary


async def test_a_host_without_docker_is_told(needs_sshd: None, tmp_path: Path):
    """Whatever is run there has a PATH without a `docker`."""
    with Sshd.started(runs("/bin/sh -c", path=programs(tmp_path))) as sshd:
        async with way_to(sshd, sshd.folder / "none.sock") as ssh:
            error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert "there is no Docker: neither" in error.summary


async def test_a_user_who_may_not_use_docker_is_told_how_to_get_there(
    needs_sshd: None, engine: Path
):
    """The socket is root's, and the one who logs in is not."""
    somebody = next(
        (u for u in pwd.getpwall() if u.pw_uid and u.pw_shell in ("/bin/bash", "/bin/sh")), None
    )
    if os.getuid() != 0 or somebody is None:
        pytest.skip("needs root, and a user with a shell who is not root")
    engine.parent.chmod(0o755)
    with Sshd.started("UsePAM yes") as sshd:
        async with way_to(sshd, engine, user=somebody.pw_name) as ssh:
            error = await why(ssh.open())
    assert isinstance(error, Refused)
    assert f"{somebody.pw_name} may not use {engine} there" in error.summary
    assert f"usermod -aG {grp.getgrgid(engine.stat().st_gid).gr_name} " in error.hint


async def test_what_a_login_says_is_in_nobodys_way(needs_sshd: None, engine: Path, tmp_path: Path):
    """A banner before the login, and words of the shell after it."""
    banner = tmp_path / "banner"
    banner.write_text("Host key verification failed\nPermission denied (really)\n")
    with Sshd.started(f"Banner {banner}", runs("echo Welcome;")) as sshd:
        async with way_to(sshd, engine) as ssh:
            assert await answers((await ssh.open()).url)
            assert await ssh.cards() == ()
        async with way_to(sshd, sshd.folder / "none.sock") as ssh:
            assert "Docker is not running there" in (await why(ssh.open())).summary


async def test_a_command_that_hangs_there_is_waited_for_no_longer_than_a_while(
    needs_sshd: None, engine: Path, tmp_path: Path
):
    """As `nvidia-smi` does whose driver is wedged."""
    folder = programs(tmp_path)
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexec /bin/sleep 300\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    with Sshd.started(runs("/bin/sh -c", path=folder)) as sshd:
        async with way_to(sshd, engine) as ssh:
            url = (await ssh.open()).url
            async with asyncio.timeout(60):
                assert await ssh.cards() is None
            assert await answers(url)


async def test_a_session_that_hangs_there_keeps_nobody_from_closing(
    needs_sshd: None, engine: Path, tmp_path: Path
):
    (tmp_path / "hangs").write_text(
        'case "$SSH_ORIGINAL_COMMAND" in docker*) exec sleep 300;; '
        '*) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND";; esac'
    )
    with Sshd.started(NO_FORWARDING, f"ForceCommand /bin/sh {tmp_path}/hangs") as sshd:
        async with asyncio.timeout(60):
            async with way_to(sshd, engine) as ssh:
                error = await why(ssh.open())
    assert "does not answer" in error.summary


async def test_an_sshd_that_forbids_to_forward_ports_is_told_once_one_was_tried(
    needs_sshd: None, engine: Path
):
    with Sshd.started("AllowTcpForwarding no") as sshd:
        async with way_to(sshd, engine) as ssh:
            assert await answers((await ssh.open()).url)
            with suppress(ConnectionError):  # which of the two ends first is chance
                assert await fetched(await ssh.reach(9)) == b""
            await until(lambda: "prohibited" in ssh._tunnel.master.said)
            error = await why(ssh.reach(9))
    assert isinstance(error, Refused)
    assert "forbids to forward ports" in error.summary
    assert "AllowTcpForwarding" in error.hint
