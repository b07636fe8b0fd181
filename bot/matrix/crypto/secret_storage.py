"""Secret storage: the account's secrets, kept on the homeserver under a recovery key.

Specification: "Secrets: Storage". What is encrypted under other keys is left as it is.
"""

from __future__ import annotations

import structlog
from pydantic import SecretStr

from bot.matrix.crypto.asking import Request, account_data, ask, look_for
from bot.matrix.crypto.encoding import mapping
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.sealing import description, fits, seal, unseal

log = structlog.get_logger()

_DEFAULT = "m.secret_storage.default_key"
_NAME = "Gantry"


class Vault:
    """Secret storage, opened with one recovery key."""

    def __init__(self, request: Request, user_id: str, key_id: str, recovery: RecoveryKey) -> None:
        self._request = request
        self._user_id = user_id
        self._recovery = recovery
        self.key_id = key_id

    @classmethod
    async def open(cls, request: Request, user_id: str, recovery: RecoveryKey) -> Vault | None:
        """Find the key description that the recovery key fits; None when there is none.

        The default key comes first. One that we described ourselves will do as well: it is not
        the default yet when we were interrupted.
        """
        candidates = [await default_key(request, user_id), recovery.storage_id()]
        for key_id in filter(None, candidates):
            described = await look_for(request, account_data(user_id, _description(key_id)))
            if described and fits(recovery.key, described):
                return cls(request, user_id, key_id, recovery)
        return None

    @classmethod
    async def create(cls, request: Request, user_id: str, recovery: RecoveryKey) -> Vault:
        """Describe the recovery key. It is not the default before `make_default`."""
        key_id = recovery.storage_id()
        path = account_data(user_id, _description(key_id))
        await ask(request, "PUT", path, description(recovery.key, _NAME))
        return cls(request, user_id, key_id, recovery)

    async def read(self, name: str) -> SecretStr | None:
        """A secret; None when it is not there under our key, or is not what was put there."""
        kept = await look_for(self._request, account_data(self._user_id, name))
        sealed = mapping(mapping((kept or {}).get("encrypted")).get(self.key_id))
        if not sealed:
            return None
        secret = unseal(self._recovery.key, name, sealed)
        if secret is None:
            log.warning("a secret cannot be read: it was changed", name=name, key=self.key_id)
        return secret

    async def write(self, name: str, secret: SecretStr) -> None:
        """Keep a secret. Copies of other values under other keys stay, for whoever has those."""
        path = account_data(self._user_id, name)
        kept = mapping((await look_for(self._request, path) or {}).get("encrypted"))
        encrypted = {**kept, self.key_id: seal(self._recovery.key, name, secret)}
        await ask(self._request, "PUT", path, {"encrypted": encrypted})

    async def make_default(self) -> None:
        """Tell the account's other clients that this is the key to use."""
        if await default_key(self._request, self._user_id) != self.key_id:
            path = account_data(self._user_id, _DEFAULT)
            await ask(self._request, "PUT", path, {"key": self.key_id})


async def default_key(request: Request, user_id: str) -> str | None:
    """The id of the key that the account's clients use by default, if they use any."""
    said = await look_for(request, account_data(user_id, _DEFAULT))
    key_id = (said or {}).get("key")
    return key_id if isinstance(key_id, str) and key_id else None


def _description(key_id: str) -> str:
    return f"m.secret_storage.key.{key_id}"
