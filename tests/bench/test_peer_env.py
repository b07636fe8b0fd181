"""Why a peer could not be installed."""

from __future__ import annotations

from bench.peer_env import reason


def test_pips_own_last_error_is_the_reason():
    output = "Collecting x\nERROR: No matching distribution found for x==9\n\nsomething else\n"

    assert reason(output) == "ERROR: No matching distribution found for x==9"


def test_without_an_error_the_last_line_is_the_reason():
    assert reason("ensurepip is not available\n\n") == "ensurepip is not available"
    assert reason("") == "no reason given"
