"""What a replica's server calls its models, asked of it."""

from __future__ import annotations

import aiohttp

from domain.errors import Refused

_PATIENCE = aiohttp.ClientTimeout(total=5)


async def names(url: str) -> tuple[str, ...] | None:
    """What a server lists, often nothing while it loads; None where none answers."""
    try:
        async with (
            aiohttp.ClientSession(url, timeout=_PATIENCE) as session,
            session.get("/v1/models") as answer,
        ):
            said = await answer.json() if answer.ok else {}
            return tuple(str(each["id"]) for each in said.get("data") or ())
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()  # somebody answers, and with something else
    except (aiohttp.ClientError, TimeoutError):
        return None


async def listed(url: str, name: str) -> bool:
    """Whether a server lists a model under this name. False while it lists none.

    Raises Refused for one that lists others only: requests could not reach them.
    """
    found = await names(url) or ()
    if found and name not in found:
        raise Refused(
            f"it serves {', '.join(found[:5])}, and nothing that is called {name}",
            hint=f"`--set model={found[0]}` has it asked for that under the service's name",
        )
    return name in found
