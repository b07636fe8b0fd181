"""What an engine tells of a container, in our words."""

from __future__ import annotations

import pytest

from deployers.docker.container import REPLICA
from deployers.docker.looking import seen
from deployers.docker.marks import TAKEN_OVER
from domain.replicas import Phase


@pytest.mark.parametrize(
    ("exit_code", "out_of_memory", "phase"),
    [
        (0, False, Phase.STOPPED),
        (137, False, Phase.STOPPED),
        (137, True, Phase.FAILED),
        (3, False, Phase.FAILED),
    ],
)
def test_what_was_taken_over_was_stopped_by_somebody_or_failed(exit_code, out_of_memory, phase):
    """The kernel kills like a person does, but for memory it is nobody's wish."""
    state = {
        "Status": "exited",
        "ExitCode": exit_code,
        "OOMKilled": out_of_memory,
        "StartedAt": "2026-01-01T00:00:00Z",
        "FinishedAt": "2026-01-01T01:00:00Z",
    }
    labels = {REPLICA: "chat-3fa9c1-0", TAKEN_OVER: "c0ffee"}

    found = seen({"Id": "c0ffee", "Config": {"Labels": labels}, "State": state, "HostConfig": {}})

    assert found is not None
    assert found.phase(ready=False) is phase
