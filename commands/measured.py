"""What was measured of a service, in words. Pure."""

from __future__ import annotations

from inference.engine_metrics import EngineMetrics
from inference.traffic import Traffic


def traffic(lately: Traffic) -> str:
    """`In the last minute: 12 requests, 1 not answered whole (1 silent) · ...`."""
    told = [f"In the last minute: {requests(lately)}"]
    if lately.first_token:
        median, most = lately.first_token
        told.append(f"first token after {_time(median)}, 95 of 100 within {_time(most)}")
    if lately.completion_tokens:
        speed = lately.tokens_per_second
        at = f" at {speed:.0f} tokens/s" if speed else ""
        told.append(f"{lately.completion_tokens} tokens{at}")
    return " · ".join(told)


def requests(lately: Traffic) -> str:
    """`12 requests, 1 not answered whole (1 silent)`."""
    told = f"{lately.requests} {'request' if lately.requests == 1 else 'requests'}"
    if not lately.faults:
        return told
    kinds = ", ".join(f"{count} {fault}" for fault, count in lately.faults)
    return f"{told}, {sum(count for _, count in lately.faults)} not answered whole ({kinds})"


def engine(says: EngineMetrics) -> str:
    """`2 running, 1 waiting, KV cache 34 %`: what the engine told of these."""
    counts = [(says.running, "running"), (says.waiting, "waiting")]
    told = [f"{count:.0f} {what}" for count, what in counts if count is not None]
    if says.kv_cache_usage is not None:
        told.append(f"KV cache {says.kv_cache_usage:.0%}".replace("%", " %"))
    return ", ".join(told)


def busy(says: EngineMetrics) -> bool:
    """Whether there is anything to tell but that nobody asks."""
    return any((says.running, says.waiting, says.kv_cache_usage))


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
