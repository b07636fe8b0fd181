"""Asking models from a room."""

import pytest

from inference.asking import Models

from .homeserver import ANN
from .model import Cast


@pytest.fixture
def cast(monkeypatch):
    made = Cast()

    def ask(models, name, turns, **options):
        return made.ask(models, name, turns, **options)

    monkeypatch.setattr(Models, "ask", ask)
    return made


async def test_routes_backends_and_their_models_are_asked_by_name_for_whoever_asks(desk, cast):
    for name in ("@chat", "studio", "studio/qwen3:4b"):
        assert "hello from" in await desk.says(f"!infer {name} hello")
    assert [name for name, _ in cast.asked] == ["chat", "studio", "studio/qwen3:4b"]
    assert set(cast.owners) == {ANN}


async def test_a_name_that_leads_nowhere_is_answered_with_the_nearest_of_all_there_are(desk):
    await desk.says("!deploy tiny tiny://ops")
    desk.world.endpoints.expect("studio", 1)
    assert await desk.says("!infer tinny hello") == (
        "✗ infer tinny: there is no service, backend or route `tinny`. Did you mean `tiny`?"
    )
    assert "Did you mean `studio`?" in await desk.says("!infer @studo hello")
    assert "There is studio, tiny" in await desk.says("!infer nobody/small hello")


async def test_of_a_backend_that_does_not_answer_no_service_is_missed(desk):
    await desk.says("!deploy tiny tiny://ops")
    desk.world.endpoints.expect("studio", 1)
    told = await desk.says("!infer studio/small hello")
    assert told.startswith("✗ infer studio/small: studio/small has no ready replica.")
    assert told.endswith("Ask again in a moment; there is also `tiny`.")


async def test_of_a_service_that_does_not_answer_it_is_told_how_it_stands(desk):
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!stop tiny")
    told = await desk.says("!infer tiny hello")
    assert "tiny is stopped" in told
    assert "It is stopped; `!scale tiny 1` brings it back." in told
