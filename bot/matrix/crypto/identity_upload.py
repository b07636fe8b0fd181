"""Publishing a cross-signing identity, and proving to the homeserver that one may.

Specification: "Cross-signing", "User-Interactive Authentication API".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from bot.matrix.crypto.asking import CLIENT, Request, refusal
from bot.matrix.crypto.encoding import mapping
from bot.matrix.crypto.signatures import SigningKey, Usage, key_object, sign
from domain.errors import OpsError, Refused

_UPLOAD = "/keys/device_signing/upload"
_BY_PASSWORD = "m.login.password"  # noqa: S105 - the name of a way to log in
_BY_BROWSER = ("m.oauth", "org.matrix.cross_signing_reset")

STANDING = "The identity that was published before, if any, still stands."


async def upload_identity(
    request: Request,
    user_id: str,
    keys: Mapping[Usage, SigningKey],
    password: SecretStr | None,
) -> None:
    """Publish the keys, proving who we are if the homeserver asks.

    Raises Refused, with what to do about it, when the proof wanted is not one we can give.
    """
    body = identity_objects(user_id, keys)
    answer = await request("POST", CLIENT + _UPLOAD, body)
    if answer.status == 401 and "flows" in answer.body:
        proof = proof_of(user_id, answer.body, password)
        answer = await request("POST", CLIENT + _UPLOAD, {**body, "auth": proof})
        if answer.status == 401 and "flows" in answer.body:
            raise _not_accepted(answer.body)
    if answer.status != 200:
        raise _standing(refusal(answer, f"POST {_UPLOAD}"))


def identity_objects(user_id: str, keys: Mapping[Usage, SigningKey]) -> dict[str, Any]:
    """The public keys as they are published: the master key signs the other two."""
    found = {usage: key_object(user_id, usage, key.public) for usage, key in keys.items()}
    return {
        f"{usage}_key": value if usage == "master" else sign(value, user_id, keys["master"])
        for usage, value in found.items()
    }


def proof_of(user_id: str, wanted: Mapping[str, Any], password: SecretStr | None) -> dict[str, Any]:
    """What proves to the homeserver that we own the account, from its list of what it takes.

    Raises Refused when that takes a person, or a password that we do not have.
    """
    flows = [mapping(flow).get("stages") for flow in wanted.get("flows") or []]
    if [_BY_PASSWORD] in flows:
        if password is None:
            raise _refused(
                "the homeserver wants the password of the account before it takes new keys",
                "set matrix.password_file; a token alone is not enough for this once",
            )
        return {
            "type": _BY_PASSWORD,
            "identifier": {"type": "m.id.user", "user": user_id},
            "password": password.get_secret_value(),
            "session": wanted.get("session"),
        }
    url = _approval_url(wanted)
    if url:
        raise _refused(
            "the homeserver wants a person to approve new keys in a browser",
            f"log in as {user_id} at {url}, approve, then try again within ten minutes",
        )
    raise _refused(
        "the homeserver wants a proof that a bot cannot give before it takes new keys: "
        + " or ".join(" then ".join(map(str, flow)) for flow in flows if flow),
        "let an administrator allow this account to replace its cross-signing keys, then try again",
    )


def _approval_url(wanted: Mapping[str, Any]) -> str | None:
    """Where a person can approve, on homeservers that leave logging in to another service."""
    parameters = mapping(wanted.get("params"))
    for stage in _BY_BROWSER:
        url = mapping(parameters.get(stage)).get("url")
        if isinstance(url, str):
            return url
    return None


def _not_accepted(said: Mapping[str, Any]) -> OpsError:
    if said.get("errcode") == "M_FORBIDDEN":
        return _refused(
            "the homeserver does not accept the password of the account", "correct the password"
        )
    return _refused("the homeserver wants more than the password before it takes new keys", "")


def _refused(summary: str, hint: str) -> OpsError:
    return _standing(Refused(summary, hint=hint))


def _standing(error: OpsError) -> OpsError:
    error.standing = STANDING
    return error
