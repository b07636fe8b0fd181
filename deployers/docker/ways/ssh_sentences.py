"""What may be wrong with a way by SSH, in sentences (pure)."""

from __future__ import annotations

from deployers.docker.ways.connection import Cut
from domain.errors import Refused, TargetError, Unreachable


def name_unknown(address: str) -> TargetError:
    """No such host."""
    return Refused(
        f"{address}: there is no host of that name",
        hint="check the name; the bot's machine has to know it, by DNS, /etc/hosts or ssh_config",
    )


def names_unanswered(address: str) -> TargetError:
    """No name server."""
    return Unreachable(f"{address}: no name server answers", hint="see to the bot's network")


def port_closed(address: str) -> TargetError:
    """The host says no."""
    return Unreachable(
        f"{address}: nobody listens on the SSH port",
        hint="see whether sshd runs there, and on that port",
    )


def no_way(address: str) -> TargetError:
    """The network says no."""
    return Unreachable(
        f"{address}: there is no way to that host",
        hint="see whether it is switched on, and the network between",
    )


def silent(address: str) -> TargetError:
    """Nothing says anything."""
    return Unreachable(
        f"{address} does not answer",
        hint="see whether it is switched on, and whether a firewall stands between",
    )


def not_ssh(address: str) -> TargetError:
    """Somebody answers, but hangs up or speaks something else."""
    return Unreachable(
        f"{address}: what listens there ends the connection before a word of SSH",
        hint="check the port; an sshd that is overrun does the same (MaxStartups)",
    )


def host_unknown(address: str, shown: str = "", files: str = "") -> TargetError:
    """No key of that host is known."""
    key = f" (it shows {shown})" if shown else ""
    return Refused(
        f"{address}: the host's key is not known{key}",
        hint="compare it with the host's own, then add it to "
        f"{files or 'known_hosts of the user the bot runs as'}; docs/docker-hosts.md shows how",
    )


def host_changed(address: str, shown: str = "") -> TargetError:
    """Another key than the known one."""
    key = f" (it shows {shown})" if shown else ""
    return Refused(
        f"{address}: the host shows another key than the one that is known{key}",
        hint="find out why; if it was set up anew, replace its line in known_hosts "
        "(`ssh-keygen -R`), otherwise somebody stands between",
    )


def host_revoked(address: str, shown: str = "") -> TargetError:
    """A key that somebody said is not to be believed any more."""
    key = f" (it shows {shown})" if shown else ""
    return Refused(
        f"{address}: the host shows a key that known_hosts has as revoked{key}",
        hint="do not add it; find out who took it back, and have the host get a new one",
    )


def host_uncertified(address: str, why: str) -> TargetError:
    """A certificate of a host that proves nothing."""
    return Refused(
        f"{address}: the host's certificate is no good ({why})",
        hint="have a new one signed for it, with its name as a principal, and check both clocks",
    )


def key_refused(address: str, user: str = "") -> TargetError:
    """Nobody we can prove to be."""
    who = f" as {user}" if user else ""
    return Refused(
        f"{address} does not let the bot log in{who}: no key that it offers is accepted",
        hint="add the bot's public key to authorized_keys of that user there; on Windows an "
        "administrator's are in C:\\ProgramData\\ssh\\administrators_authorized_keys",
    )


def more_than_a_key(address: str, ways: str) -> TargetError:
    """A password, or a second factor."""
    return Refused(
        f"{address} does not let the bot log in by a key alone: it asks for {ways}",
        hint="nobody is there to type; let that user in by a key (AuthenticationMethods publickey)",
    )


def key_missing(address: str, files: str) -> TargetError:
    """Nothing to prove it by."""
    return Refused(
        f"{address}: the bot has no key to log in with: {files}",
        hint="make one with ssh-keygen for the user the bot runs as, or give the bot SSH_AUTH_SOCK",
    )


def key_locked(address: str, file: str) -> TargetError:
    """A passphrase, and nobody to type it."""
    return Refused(
        f"{address}: the key {file} is locked by a passphrase, which nobody is there to type",
        hint="load it into an agent whose SSH_AUTH_SOCK the bot is given, or use one without",
    )


def key_exposed(address: str, file: str) -> TargetError:
    """A key that ssh will not touch."""
    return Refused(
        f"{address}: ssh does not use the key {file}, since others may read it",
        hint=f"`chmod 600 {file}`",
    )


def config_wrong(address: str, why: str = "") -> TargetError:
    """A configuration that ssh will not read."""
    return Refused(
        f"{address}: ssh does not take its configuration{f' ({why})' if why else ''}",
        hint="try `ssh -G` with that host as the user the bot runs as",
    )


def way_barred(address: str) -> TargetError:
    """A jump host that does not want to be one."""
    return Refused(
        f"{address}: the host on the way there forbids to go on from it",
        hint="it needs AllowTcpForwarding yes in its sshd_config, and PermitOpen for that host",
    )


def way_ends(address: str, why: str) -> TargetError:
    """A jump host that gets no further itself."""
    return Unreachable(
        f"{address}: the host on the way there does not get to it ({why})",
        hint="see whether it is switched on, and whether the host on the way knows its name",
    )


def no_session(address: str) -> TargetError:
    """An sshd that runs nothing."""
    return Refused(
        f"{address}: sshd there opens no session, so that nothing can be asked",
        hint="it needs MaxSessions 2 or more in its sshd_config",
    )


def ports_barred(address: str) -> TargetError:
    """An sshd that leads to no port."""
    return Refused(
        f"{address}: sshd there forbids to forward ports, so that no replica can be reached",
        hint="it needs AllowTcpForwarding yes (or local) in its sshd_config, and no PermitOpen",
    )


def engine_silent(address: str) -> TargetError:
    """SSH works, and Docker takes its time."""
    return Unreachable(
        f"{address}: Docker there does not answer", hint="see whether that host is busy"
    )


def engine_mute(address: str) -> TargetError:
    """`docker` works there, but carries nothing."""
    return Unreachable(
        f"{address}: `docker system dial-stdio` there does not answer",
        hint="it comes with the Docker CLI 18.09 and newer; try it by hand",
    )


def shell_talks(address: str, words: str) -> TargetError:
    """What a login prints gets in the way of what Docker says."""
    return Refused(
        f"{address}: its shell prints something of its own before a command runs: `{words}`",
        hint="have it print only where somebody sits at it; see docs/docker-hosts.md",
    )


def back_again(address: str) -> TargetError:
    """It was cut, and is whole."""
    return Cut(
        f"{address}: the connection was cut in the middle, and stands again", hint="try again"
    )


def ssh_missing() -> TargetError:
    """No program."""
    return Refused(
        "there is no `ssh` on the bot's machine", hint="install it: `apt install openssh-client`"
    )


def not_started(address: str, why: str) -> TargetError:
    """The trouble is on our side."""
    return Unreachable(
        f"{address}: the bot's machine cannot start ssh ({why})",
        hint="see to its disk, memory and processes",
    )


def ended(address: str, words: str = "") -> TargetError:
    """Something else."""
    return Unreachable(
        f"{address}: ssh ended{f': {words}' if words else ''}",
        hint="try `ssh` to that host as the user the bot runs as",
    )
