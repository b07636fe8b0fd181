"""The benches of the gateway: their load and their upstream, and how outcomes are judged."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bench.gateway import candidates
from bench.gateway.candidates import BARE, CANDIDATES, LITELLM, OURS, Candidate
from bench.gateway.faults import Case
from bench.gateway.faults import measures as fault_measures
from bench.gateway.outcomes import Outcome, Verdict, outcomes, verdict
from bench.gateway.speed import measures
from bench.gateway.stage import Stage
from bench.gateway.table import side_by_side
from bench.gateway.upstream import PIECES
from domain.errors import OpsError

BARE_ONE = next(each for each in CANDIDATES if each.name == BARE)


async def test_what_the_upstream_says_is_heard_whole_through_the_bare_proxy():
    async with Stage.opened() as stage:
        upstream = await stage.upstream()
        gateway = await stage.gateway(BARE_ONE, [upstream.url])
        load = await stage.load()
        for port in (upstream.port, gateway.port):
            before = await upstream.count()
            plain = await load({"port": port, "stream": False, "in_flight": 2, "seconds": 0.1})
            streams = await load({"port": port, "stream": True, "in_flight": 2, "seconds": 0.1})
            paced = await load({"port": port, "stream": True, "rate": 20, "seconds": 0.2})
            assert [told["failed"] for told in (plain, streams, paced)] == [0, 0, 0]
            assert streams["pieces"] == streams["n"] * PIECES
            assert paced["n"] == 4
            asked = sum(told["n"] for told in (plain, streams, paced))
            assert await upstream.count() - before == asked


async def test_requests_that_a_killed_upstream_does_not_answer_have_failed():
    async with Stage.opened() as stage:
        upstream = await stage.upstream()
        load = await stage.load()
        upstream.signal(signal.SIGKILL)
        await upstream.stop()
        told = await load(
            {"port": upstream.port, "stream": False, "rate": 20, "seconds": 0.2, "rows": True}
        )
        assert (told["n"], told["failed"]) == (4, 4)
        assert not any(each.good for each in outcomes(told["rows"]))
        await upstream.start()
        told = await load({"port": upstream.port, "stream": False, "rate": 20, "seconds": 0.2})
        assert told["failed"] == 0


async def test_a_gateway_that_ends_is_told_with_its_last_words():
    dies = Candidate("dies", lambda *_: ["sh", "-c", "echo no such option; exit 2"])
    async with Stage.opened() as stage:
        with pytest.raises(OpsError, match="no such option"):
            await stage.gateway(dies, ["http://127.0.0.1:1"])


def test_nginx_is_left_out_with_the_reason_where_it_is_not_installed(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(candidates.shutil, "which", lambda _: str(tmp_path / "nginx"))
    nginx = next(each for each in CANDIDATES if each.name == "nginx")
    with pytest.raises(OpsError, match="not installed"):
        nginx.start(1, ["http://127.0.0.1:2"], tmp_path)


def asked(at: float, seconds: float = 0.02, first: float | None = None, *, good: bool = True):
    return Outcome(at, seconds, first, good)


def test_a_fault_is_out_of_the_way_once_nobody_stalls_or_fails_any_more():
    calm = [asked(at / 10) for at in range(100)]
    stalled = [asked(1.9, 3.0), asked(2.5, 0.1, good=False), asked(3.4, 1.5)]
    found = verdict([*calm, *stalled], fault=2.0, until=8.0, back=0.3)
    assert found == Verdict(103, 1, 0, 3.0, pytest.approx(1.4), 0.3)


def test_a_stream_that_ends_after_content_is_broken_and_one_before_has_failed():
    streams = [asked(2.0, 0.3, 0.02, good=False), asked(2.1, 0.02, None, good=False)]
    found = verdict([asked(1.0, 0.3, 0.02), *streams], fault=2.0, until=8.0, back=0.3)
    assert (found.failed, found.broken) == (1, 1)
    assert found.longest == 0.02


def test_what_we_promise_of_faults_is_kept_or_missed():
    case = Case("hang", stream=True, rate=10)
    good, bad = Verdict(9, 0, 1, 1.6, 0.8, 0.3), Verdict(9, 1, 1, 8.0, 8.0, 0.0)
    for mine, kept in ((good, True), (bad, False)):
        lines = fault_measures({OURS: {case: mine}, LITELLM: {case: bad}})
        assert {line.ok for line in lines if line.bound} == {kept}
        assert {line.against for line in lines} == {LITELLM}


def scores(ours: float) -> dict[str, dict[str, list[float]]]:
    """The others at one in everything; LiteLLM far slower."""
    names = [f"{w}.{n}" for w in ("rate", "first", "chunks", "added.first") for n in (1, 16, 64)]
    names += ["paced.p50", "paced.p99", "cpu.request", "cpu.chunk", "memory", "added", "failed"]
    one = {name: [1.0, 1.0, 1.0] for name in names}
    mine = {**{name: [ours] * 3 for name in names}, "failed": [0.0] * 3}
    return {OURS: mine, BARE: one, LITELLM: {**one, "rate.16": [0.01] * 3}}


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        (1.0, set()),
        (0.69, {"rate.1", "rate.16", "rate.64"}),
        (1.6, {"cpu.request", "cpu.chunk", "added", "added.first.1"}),
    ],
)
def test_what_we_promise_of_speed_is_kept_or_missed(ours: float, missed: set[str]):
    lines = measures(scores(ours))
    assert {line.name.removeprefix("gateway.") for line in lines if line.ok is False} == missed


def test_the_table_has_a_row_for_each_and_a_dash_for_what_was_not_measured():
    table = side_by_side({"direct": {"rate.1": [9_000.0, 8_000.0, 8_500.0]}})
    assert table.splitlines()[-1].startswith("| direct | 8,500 / - / - |")
