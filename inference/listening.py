"""Has a web server listen where the configuration says, or says in its words why it cannot."""

from __future__ import annotations

from aiohttp import web

from domain.errors import ConfigError


async def listen(runner: web.AppRunner, address: str, setting: str, *, backlog: int = 128) -> str:
    """Answer at host:port from now on; returns the address, its port the real one.

    Raises ConfigError, with the `setting` that names it, when that is taken or is not ours.
    """
    host, _, port = address.rpartition(":")
    site = web.TCPSite(runner, host.strip("[]"), int(port), backlog=backlog)
    try:
        await site.start()
    except OSError as error:
        raise ConfigError(
            f"{setting}: {address} cannot be listened on: {error.strerror or error}",
            hint="stop what uses that port, or give another one",
        ) from error
    return f"{host}:{runner.addresses[0][1]}"
