"""A look at a host by paramiko: what OpenSSH would have believed and offered, it does too."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from deployers.docker.ways.openssh import Destination
from deployers.docker.ways.preflight import Preflight
from domain.errors import Refused, TargetError, Unreachable
from tests.sshd import Sshd


def look_at(sshd: Sshd, config: Path, socket_there: str = "/none.sock") -> Preflight:
    url = f"{sshd.url}{socket_there}"
    return Preflight("ssh://it", Destination.parse(url, config))


async def why(preflight: Preflight) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await preflight.look()
    return caught.value


async def test_a_host_tells_of_itself(sshd: Sshd):
    there = await look_at(sshd, sshd.config()).look()
    assert there.user == sshd.user
    assert there.socket == "missing"
    assert not there.windows


async def test_an_unknown_host_is_told_with_the_key_that_it_shows(sshd: Sshd):
    config = sshd.config(known="")
    error = await why(look_at(sshd, config))
    assert isinstance(error, Refused)
    assert "the host's key is not known (it shows SHA256:" in error.summary
    assert f"{config.name}-known_hosts" in error.hint


async def test_a_key_that_is_revoked_is_not_believed_whatever_else_is_said_of_it(sshd: Sshd):
    config = sshd.config()
    known = config.with_name(f"{config.name}-known_hosts")
    public = known.read_text().partition(" ")[2]
    known.write_text(f"{known.read_text()}@revoked * {public}")
    error = await why(look_at(sshd, config))
    assert isinstance(error, Refused)
    assert "known_hosts has as revoked" in error.summary
    assert sshd.log.count("Accepted") == 0


async def test_an_sshd_that_opens_no_session_is_told(needs_sshd: None):
    with Sshd.started("MaxSessions 0") as sshd:
        error = await why(look_at(sshd, sshd.config()))
    assert "opens no session" in error.summary


async def test_a_changed_host_a_refused_key_and_a_locked_one_are_told_apart(sshd: Sshd):
    changed = await why(look_at(sshd, sshd.config(known="other_host")))
    assert isinstance(changed, Refused)
    assert "another key than the one that is known" in changed.summary

    refused = await why(look_at(sshd, sshd.config(key="stranger")))
    assert isinstance(refused, Refused)
    assert f"log in as {sshd.user}" in refused.summary

    locked = sshd.make_key("locked", "secret")
    error = await why(look_at(sshd, sshd.config(key="locked")))
    assert isinstance(error, Refused)
    assert f"the key {locked} is locked by a passphrase" in error.summary

    nothing = await why(look_at(sshd, sshd.config(key="missing")))
    assert isinstance(nothing, Refused)


async def test_a_key_filed_without_its_port_or_under_an_alias_is_believed(sshd: Sshd):
    key = " ".join((sshd.folder / "host.pub").read_text().split()[:2])
    for name, lines in (("127.0.0.1", ()), ("rack", ("HostKeyAlias rack",))):
        known = sshd.folder / f"filed-as-{name}"
        known.write_text(f"{name} {key}\n")
        config = sshd.config(*lines, f"UserKnownHostsFile {known}")
        assert (await look_at(sshd, config).look()).user == sshd.user


async def test_the_key_that_is_known_is_asked_for_among_several(sshd: Sshd):
    """A host has keys of several kinds; known_hosts may have any one of them."""
    for kind in ("host", "host_ecdsa"):
        assert (await look_at(sshd, sshd.config(known=kind)).look()).user == sshd.user


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\x00\n", b"h ssh-rsa !!!\n", b"@revoked x\nx\n\n"])
async def test_rubbish_in_known_hosts_is_passed_over(sshd: Sshd, rubbish: bytes):
    config = sshd.config()
    known = config.with_name(f"{config.name}-known_hosts")
    known.write_bytes(rubbish + known.read_bytes())
    assert (await look_at(sshd, config).look()).user == sshd.user


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe\x00", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"]
)
async def test_rubbish_for_a_key_is_a_key_that_is_refused(sshd: Sshd, rubbish: bytes):
    (sshd.folder / "rubbish").write_bytes(rubbish)
    (sshd.folder / "rubbish").chmod(0o600)
    assert isinstance(await why(look_at(sshd, sshd.config(key="rubbish"))), Refused)


async def test_what_keeps_one_from_a_host_is_told_apart(sshd: Sshd):
    config = sshd.config()
    sshd.stop()
    closed = await why(look_at(sshd, config))
    assert isinstance(closed, Unreachable)
    assert "nobody listens on the SSH port" in closed.summary

    unknown = await why(look_at(sshd, sshd.config("HostName nowhere.invalid")))
    assert "no host of that name" in unknown.summary or "name server" in unknown.summary


async def test_a_peer_that_says_nothing_is_given_up(sshd: Sshd):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        there = Destination("127.0.0.1", "x", port(mute), config=sshd.config())
        error = await why(Preflight("ssh://it", there))
    assert isinstance(error, Unreachable)
    assert "does not answer" in error.summary


def port(of: socket.socket) -> int:
    return int(of.getsockname()[1])


def hang_up(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.close()


async def test_who_hangs_up_is_told(sshd: Sshd):
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        threading.Thread(target=hang_up, args=(rude,), daemon=True).start()
        there = Destination("127.0.0.1", "x", port(rude), config=sshd.config())
        error = await why(Preflight("ssh://it", there))
    assert isinstance(error, Unreachable)
    assert "before a word of SSH" in error.summary
