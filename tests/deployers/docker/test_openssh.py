"""Where an address leads, and what `ssh` is told and says (pure)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.docker.ways import openssh
from deployers.docker.ways.openssh import Destination
from deployers.docker.ways.openssh_words import meaning
from deployers.docker.ways.resolved import Resolved
from domain.errors import ConfigError, Refused, Unreachable


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("ssh://Aria@wks-bckx01", Destination("wks-bckx01", "Aria")),
        ("ssh://WKS", Destination("WKS")),
        ("ssh://aria@wks:2222/", Destination("wks", "aria", 2222)),
        (
            "ssh://wks/run/user/1000/docker.sock",
            Destination("wks", socket="/run/user/1000/docker.sock"),
        ),
        ("ssh://[::1]:22", Destination("::1", port=22)),
        ("ssh://CORP%5Caria@wks", Destination("wks", "CORP\\aria")),
        ("ssh://aria@corp.example@wks", Destination("wks", "aria@corp.example")),
    ],
)
def test_an_address_is_read_with_its_case_kept(url: str, leads: Destination):
    assert Destination.parse(url) == leads


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ssh://",
            "ssh://aria@",
            "ssh://wks:port",
            "ssh://wks:0",
            "ssh://wks:65536",
            "ssh://[::1]22",
        ),
        *("ssh://-oProxyCommand=evil", "ssh://-l@wks", "ssh://aria:secret@wks", "tcp://wks"),
        *("ssh://aria:secret@", "ssh://aria:secret@wks:99999", "ssh://aria:secret@-l"),
    ],
)
def test_an_address_that_could_mean_something_else_to_ssh_is_refused(url: str):
    with pytest.raises(ConfigError) as caught:
        Destination.parse(url)
    assert "secret" not in caught.value.summary + caught.value.hint


def test_the_master_is_told_everything_that_matters():
    there = Destination("wks", "aria", 2222, config=Path("/etc/gantry/ssh_config"))
    words = openssh.master(there, Path("/run/m"))
    assert words[:3] == ("ssh", "-N", "-T")
    assert " ".join(words).endswith("-S /run/m -F /etc/gantry/ssh_config -l aria -p 2222 -- wks")
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no"):
        assert words[words.index(option) - 1] == "-o"


def test_those_who_go_through_it_can_go_nowhere_else():
    for words in (
        openssh.session(Path("/run/m"), "docker version"),
        openssh.forward(Path("/run/m"), "a:b"),
    ):
        assert words[:5] == ("ssh", "-F", "none", "-o", "ProxyCommand=false")


def test_little_of_our_environment_is_shown_to_ssh():
    ours = {"HOME": "/h", "PATH": "/bin", "SSH_AUTH_SOCK": "/a", "LANG": "C", "TOKEN": "secret"}
    assert openssh.environment(ours) == {"HOME": "/h", "PATH": "/bin", "SSH_AUTH_SOCK": "/a"}


CUT_OFF = """kex_exchange_identification: Connection closed by remote host\r
Connection closed by UNKNOWN port 65535\r
"""
"""What ours says of a proxy that ended."""


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (
            "No ED25519 host key is known for [127.0.0.1]:18122 and you have requested strict "
            "checking.\r\nHost key verification failed.\r\n",
            Refused,
            "the host's key is not known",
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nThe fingerprint for "
            "the ED25519 key sent by the remote host is\nSHA256:abc/def+g.\r\n"
            "Host key verification failed.\r\n",
            Refused,
            "(it shows SHA256:abc/def+g)",
        ),
        (
            "Permission denied, says the banner: Connection refused\n"
            "aria@wks: Permission denied (publickey,password).\r\n",
            Refused,
            "no key that it offers is accepted",
        ),
        (
            "Permissions 0644 for '/k/id' are too open.\r\nThis private key will be ignored.\r\n"
            'Load key "/k/id": bad permissions\r\naria@wks: Permission denied (publickey).\r\n',
            Refused,
            "does not use the key /k/id",
        ),
        (
            "ssh: Could not resolve hostname wks: Name or service not known\r\n",
            Refused,
            "no host of that name",
        ),
        (
            "ssh: Could not resolve hostname wks: Temporary failure in name resolution\r\n",
            Unreachable,
            "no name server",
        ),
        (
            "ssh: connect to host wks port 22: Connection refused\r\n",
            Unreachable,
            "nobody listens on the SSH port",
        ),
        ("ssh: connect to host wks port 22: No route to host\r\n", Unreachable, "there is no way"),
        ("ssh: connect to host wks port 22: Connection timed out\r\n", Unreachable, "not answer"),
        ("Connection timed out during banner exchange\r\n", Unreachable, "does not answer"),
        ("Timeout, server wks not responding.\r\n", Unreachable, "does not answer"),
        (
            "kex_exchange_identification: Connection closed by remote host\r\n",
            Unreachable,
            "before a word of SSH",
        ),
        (
            "/etc/c: line 3: Bad configuration option: nonsense\r\n"
            "/etc/c: terminating, 1 bad configuration options\r\n",
            Refused,
            "does not take its configuration (/etc/c: line 3: Bad configuration option: nonsense)",
        ),
        (
            "Can't open user config file /etc/c: No such file or directory\r\n",
            Refused,
            "(Can't open user config file /etc/c: No such file or directory)",
        ),
        (
            "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n"
            "The ED25519 host key for [127.0.0.1]:34313 is marked as revoked.\r\n"
            "Host key verification failed.\r\n",
            Refused,
            "known_hosts has as revoked",
        ),
        (
            "Certificate invalid: expired\r\nNo ED25519 host key is known for wks and you have "
            "requested strict checking.\r\nHost key verification failed.\r\n",
            Refused,
            "the host's certificate is no good (expired)",
        ),
        (
            "aria@wks: Permission denied (keyboard-interactive).\r\n",
            Refused,
            "does not let the bot log in by a key alone: it asks for keyboard-interactive",
        ),
        (
            f"aria@hop: Permission denied (publickey).\r\n{CUT_OFF}",
            Refused,
            "ssh://wks: on the way there, aria@hop does not let the bot log in",
        ),
        (
            f"Host key verification failed.\r\n{CUT_OFF}",
            Refused,
            "ssh://wks: on the way there: the host's key is not known",
        ),
        (
            f"ssh: connect to host hop port 22: Connection refused\r\n{CUT_OFF}",
            Unreachable,
            "ssh://wks: on the way there, hop: nobody listens on the SSH port",
        ),
        (
            "channel 0: open failed: connect failed: Connection refused\r\n"
            f"stdio forwarding failed\r\n{CUT_OFF}",
            Unreachable,
            "the host on the way there does not get to it (connect failed: Connection refused)",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\r\n"
            f"stdio forwarding failed\r\n{CUT_OFF}",
            Refused,
            "the host on the way there forbids to go on from it",
        ),
        (CUT_OFF, Unreachable, "before a word of SSH"),
        ("jumphost loop via wks\r\n", Unreachable, "ssh ended: jumphost loop via wks"),
        ("", Unreachable, "ssh ended"),
    ],
)
def test_what_openssh_says_is_said_in_our_words(words: str, kind: type, said: str):
    error = meaning("ssh://wks", words.splitlines())
    assert type(error) is kind
    assert said in error.summary
    assert error.hint


def test_a_host_is_known_by_what_ssh_makes_of_it():
    told = """user aria
hostname 10.0.0.5
port 2222
identityfile ~/.ssh/id_ed25519
identityfile /k/other
userknownhostsfile /k/known_hosts /k/more
globalknownhostsfile /etc/ssh/ssh_known_hosts
identityagent none
proxyjump first,aria@second:23
"""
    host = Resolved.parse(told, Destination("wks", config=Path("/etc/c")))
    assert host == Resolved(
        "10.0.0.5",
        2222,
        "aria",
        "[10.0.0.5]:2222",
        (Path("~/.ssh/id_ed25519").expanduser(), Path("/k/other")),
        (Path("/k/known_hosts"), Path("/k/more"), Path("/etc/ssh/ssh_known_hosts")),
        agent=False,
        proxy="ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -F /etc/c -J first "
        "-W '[10.0.0.5]:2222' -- ssh://aria@second:23",
    )


def test_a_proxys_command_is_told_where_to():
    told = "user aria\nhostname h\nport 22\nhostkeyalias rack\nproxycommand nc %h %p # 100%% %n\n"
    host = Resolved.parse(told, Destination("wks"))
    assert (host.proxy, host.known_as, host.agent) == ("nc h 22 # 100% wks", "rack", True)
