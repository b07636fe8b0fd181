"""The page that Prometheus reads. Imported by who is asked to serve it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.health_pages import Page
from bot.telemetry import Telemetry
from inference.metrics.gateway import CONTENT_TYPE, GatewayMetrics


def metrics_page(telemetry: Telemetry, version: str) -> Callable[[], Awaitable[Page]]:
    """Count from now on; the page is written anew each time it is asked for."""
    metrics = GatewayMetrics(version)
    telemetry.listen(metrics.observe)

    async def page() -> Page:
        return CONTENT_TYPE, metrics.page(await telemetry.reading())

    return page
