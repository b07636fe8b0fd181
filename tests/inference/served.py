"""A request that ended, with what a test says of it."""

from datetime import UTC, datetime

from domain.usage import Served

USUAL = {
    "at": datetime(2026, 3, 1, tzinfo=UTC),
    "key": None,
    "owner": "@ann:example.org",
    "model": "tiny",
    "api": "chat",
    "backend": "tiny",
    "replica": "tiny-3fa9c1-0",
    "target": "local",
    "streamed": True,
    "status": 200,
    "fault": None,
    "prompt_tokens": 12,
    "completion_tokens": 21,
    "estimated": False,
    "first_token": 0.5,
    "seconds": 2.5,
    "attempts": 1,
}


def served(**more):
    return Served(**{**USUAL, **more})
