"""What hosts answer, and what is made of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployers.docker.ways import far_side
from deployers.docker.ways.far_side import FarSide
from deployers.nvidia import read_gpus
from domain.errors import Refused, Unreachable
from domain.replicas import Gpu

CARD = "NVIDIA GeForce RTX 4090, 24564, 23028"
LINUX = """Welcome to the gaming PC!
gantry:system=Linux
gantry:user=aria
gantry:socket=open
gantry:group=docker
gantry:docker=yes
gantry:answer=27.3.1
gantry:gpu=NVIDIA GeForce RTX 4090, 24564, 23028
gantry:gpu=NVIDIA GeForce RTX 3060, 12288, 12000
"""
NO_DAEMON = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?"
)
DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at "
    "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied"
)
NO_PIPE = (
    'error during connect: Get "http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.47/version": open '
    "//./pipe/docker_engine: The system cannot find the file specified."
)
NO_PIPE_FOR_YOU = (
    'error during connect: Get "http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.47/version": open '
    "//./pipe/docker_engine: Access is denied."
)
CMD_HAS_NONE = (
    "'docker' is not recognized as an internal or external command,\r\n"
    "operable program or batch file.\r\n"
)
POWERSHELL_HAS_NONE = (
    "docker : The term 'docker' is not recognized as the name of a cmdlet, function, script file"
)


def test_answers_are_found_among_other_words():
    assert far_side.read(LINUX) == FarSide(
        user="aria",
        socket="open",
        group="docker",
        docker=True,
        version="27.3.1",
        gpus=(
            Gpu("NVIDIA GeForce RTX 4090", 24564 << 20, 23028 << 20),
            Gpu("NVIDIA GeForce RTX 3060", 12288 << 20, 12000 << 20),
        ),
    )


@pytest.mark.parametrize("text", ["", "'sh' is not recognized as an internal", "gantry:user=x\n"])
def test_a_host_that_does_not_understand_has_said_nothing(text: str):
    assert far_side.read(text) is None


@pytest.mark.parametrize("socket", [None, "/run/user/1000/docker.sock", "/tmp/it's $HOME/a b.sock"])
def test_this_machine_understands_the_question(socket: str | None):
    for shell in ("sh", "bash"):
        done = subprocess.run(
            (shell, "-c", far_side.question(socket)), capture_output=True, text=True, check=False
        )
        there = far_side.read(done.stdout)
        assert there is not None, done.stderr
        assert there.user
        assert there.socket in (("missing", "open", "denied") if socket is None else ("missing",))


def test_a_socket_that_anybody_may_use_is_seen_as_such(tmp_path: Path):
    import socket

    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "a b.sock"))
        done = subprocess.run(
            ("sh", "-c", far_side.question(str(tmp_path / "a b.sock"))), capture_output=True
        )
    there = far_side.read(done.stdout.decode())
    assert there is not None
    assert there.socket == "open"


@pytest.mark.parametrize(
    ("there", "kind", "said", "advice"),
    [
        (FarSide(user="aria", socket="missing"), Refused, "there is no Docker", "install Docker"),
        (
            FarSide(user="aria", socket="denied", group="dockers", docker=True, trouble=DENIED),
            Refused,
            "aria may not use /var/run/docker.sock there",
            "usermod -aG dockers aria",
        ),
        (
            FarSide(user="aria", socket="missing", docker=True, trouble=NO_DAEMON),
            Unreachable,
            "Docker is not running there: there is no /var/run/docker.sock",
            "systemctl start docker",
        ),
        (
            FarSide(user="aria", socket="open", docker=True, trouble=NO_DAEMON),
            Unreachable,
            "Docker is not running there: nobody answers on /var/run/docker.sock",
            "systemctl start docker",
        ),
        (
            far_side.read_otherwise(CMD_HAS_NONE, CMD_HAS_NONE, "Aria"),
            Refused,
            "there is no `docker` command on that Windows host",
            "install Docker Desktop",
        ),
        (
            far_side.read_otherwise(POWERSHELL_HAS_NONE, "", "Aria"),
            Refused,
            "there is no `docker` command on that Windows host",
            "install Docker Desktop",
        ),
        (
            far_side.read_otherwise(NO_PIPE, CARD, "Aria"),
            Unreachable,
            "Docker is not running on that Windows host",
            "start Docker Desktop",
        ),
        (
            far_side.read_otherwise(NO_PIPE_FOR_YOU, CARD, "Aria"),
            Refused,
            "Aria may not use Docker on that Windows host",
            "docker-users",
        ),
    ],
)
def test_each_trouble_is_a_sentence_with_its_own_advice(
    there: FarSide, kind: type, said: str, advice: str
):
    error = far_side.trouble("ssh://wks", there, None)
    assert type(error) is kind
    assert said in error.summary
    assert error.summary.startswith("ssh://wks: ")
    assert advice in error.hint


def test_an_sshd_that_may_forbid_forwarding_is_named_where_nothing_else_is_left():
    error = far_side.trouble("ssh://wks", FarSide(user="aria", socket="open"), None)
    assert isinstance(error, Unreachable)
    assert "AllowStreamLocalForwarding" in error.hint
    assert "systemctl start docker" in error.hint


def test_an_account_without_a_shell_is_not_taken_for_windows():
    there = far_side.read_otherwise("This account is currently not available.\n", "", "aria")
    unknown = far_side.trouble("ssh://wks", there, None)
    assert isinstance(unknown, Unreachable)
    assert "nobody answers on /var/run/docker.sock there" in unknown.summary
    assert "aria has no shell to be asked why (`This account is" in unknown.summary
    assert "AllowStreamLocalForwarding" in unknown.hint


def test_the_question_is_one_line_but_for_what_a_path_holds():
    """A login shell of the C kind takes a quotation to end with its line."""
    assert "\n" not in far_side.question("/run/docker.sock") + far_side.question_of_cards()
    assert "/a  b.sock" in far_side.question("/a  b.sock")


def test_an_engine_that_answers_there_is_no_trouble():
    windows = far_side.read_otherwise("27.3.1\r\n", CARD + "\r\n", "Aria", windows=True)
    assert windows.windows
    assert windows.gpus == (Gpu("NVIDIA GeForce RTX 4090", 24564 << 20, 23028 << 20),)
    assert far_side.trouble("ssh://wks", windows, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure "
        "that the latest NVIDIA driver is installed and running.\n",
        "Failed to initialize NVML: Driver/library version mismatch\n",
        "NVIDIA GB10, [N/A], [N/A]\n",
        "NVIDIA GeForce RTX 4090, 24564, [Insufficient Permissions]\n",
        CMD_HAS_NONE,
    ],
)
def test_cards_that_nvidia_smi_cannot_tell_of_are_none(text: str):
    assert read_gpus(text) == ()
