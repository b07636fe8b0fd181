"""How an answer ended and what it took, as OpenAI says it."""

from __future__ import annotations

from typing import Any

from inference.anthropic.wire import Ending, Usage

_FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def finish_reason(ending: Ending) -> str:
    """Why an answer ended, in OpenAI's words; `stop` for a reason that is not known yet.

    A paused turn is not at its end, so it is said to have been cut at some length.
    """
    return _FINISHED.get(ending.stop_reason or "", "stop")


def refusal(ending: Ending) -> str | None:
    """Why the model would not answer, where that is told."""
    return ending.stop_details.explanation if ending.stop_details else None


def usage_of(usage: Usage) -> dict[str, Any]:
    """Tokens as OpenAI counts them: a prompt's are all of it, what came from the cache included."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    prompt, completion = (usage.input_tokens or 0) + read + written, usage.output_tokens or 0
    spent = usage.output_tokens_details
    thought = spent.thinking_tokens if spent else None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        **(
            {"completion_tokens_details": {"reasoning_tokens": thought}}
            if thought is not None
            else {}
        ),
    }
