"""API keys in memory: who asks, whether they may, and how much of it is left.

It never asks the database, so that requests go on while that is locked or gone. Whoever builds it
fills it before anything listens, and tells it of every key that is made or revoked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from domain.accounts import Account, Sums, sums_of
from domain.errors import NotAuthenticated, NotPermitted, QuotaUsedUp
from domain.keys import Key, digest_of
from domain.quotas import Per, Quota, Unit, told
from domain.tariffs import Tariff
from domain.usage import Served

LONGEST = 4096
"""Characters of a header that are looked at; no key is a tenth as long."""


@dataclass(slots=True)
class _Meter:
    """How much of one quota was used in its window of now."""

    quota: Quota
    begin: datetime
    end: datetime
    used: int = 0

    @classmethod
    def of(cls, quota: Quota, now: datetime) -> _Meter:
        """An empty one."""
        return cls(quota, quota.per.begin(now), quota.per.end(now))

    def turn(self, now: datetime) -> None:
        """Start anew if it is time. A clock that is put back gives nothing back."""
        if now >= self.end:
            self.begin, self.end, self.used = self.quota.per.begin(now), self.quota.per.end(now), 0

    @property
    def is_used_up(self) -> bool:
        return self.used >= self.quota.amount


class Keyring:
    """Every key there is. Everything here is quick, and nothing waits."""

    def __init__(
        self, tariff: Tariff | None = None, now: Callable[[], datetime] | None = None
    ) -> None:
        self.tariff = tariff or Tariff()
        """What tokens cost."""
        self.now = now or partial(datetime.now, UTC)
        self._keys: dict[str, Key] = {}
        self._by_digest: dict[str, Key] = {}
        self._meters: dict[str, tuple[_Meter, ...]] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        """All of them, revoked ones included, oldest first."""
        return tuple(sorted(self._keys.values(), key=lambda key: (key.created_at, key.id)))

    def get(self, name: str) -> Key | None:
        """The key of that id."""
        return self._keys.get(name)

    def replace(self, keys: Iterable[Key], used: Mapping[Account, Sums] | None = None) -> None:
        """Have these keys and no others, of which so much was used.

        `used` is by the hour: what was used in a window of a minute is not told by it, and such
        windows begin empty.
        """
        self._keys, self._by_digest, self._meters = {}, {}, {}
        for key in keys:
            self.put(key)
        for account, sums in (used or {}).items():
            self._count(account.key, account.model, sums, account.hour)

    def put(self, key: Key) -> None:
        """Take a key in, or what has become of one."""
        now, before = self.now(), self._keys.get(key.id)
        if before is not None:
            del self._by_digest[before.digest]
        self._keys[key.id] = self._by_digest[key.digest] = key
        if before is None or before.quotas != key.quotas:
            self._meters[key.id] = tuple(_Meter.of(quota, now) for quota in key.quotas)

    def revoke(self, name: str, by: str, at: datetime) -> None:
        """A key opens nothing any more, from the next request on."""
        self.put(replace(self._keys[name], revoked_at=at, revoked_by=by))

    def authenticate(self, header: str | None) -> Key:
        """The key in an `Authorization: Bearer ...` header (RFC 6750, section 2.1).

        What is given is hashed whatever it is, and the hash is looked up, so that how long it takes
        tells nothing about the keys there are. Raises NotAuthenticated.
        """
        scheme, _, given = (header or "")[:LONGEST].strip().partition(" ")
        key = self._by_digest.get(digest_of(given.strip()))
        if header is None or scheme.lower() != "bearer":
            raise NotAuthenticated("no API key was given", hint="send `Authorization: Bearer KEY`")
        if key is None:
            raise NotAuthenticated("there is no such API key", hint=_ASK)
        if key.revoked_at is not None:
            raise NotAuthenticated(f"the API key {key.id} was revoked", hint=_ASK)
        if key.has_expired(self.now()):
            raise NotAuthenticated(f"the API key {key.id} has expired", hint=_ASK)
        return key

    def admit(self, key: Key, model: str) -> None:
        """Let one request in and count it, or raise: NotPermitted for a model it may not ask,
        QuotaUsedUp with what, how much, and when it starts anew.

        Tokens and money are known only when a request ends. A quota of them lets every request in
        until it is used up: those that are under way by then may overrun it.
        """
        if not key.may_ask(model):
            raise NotPermitted(
                f"the API key {key.id} may not ask `{model[:100]}`",
                hint=f"it may ask {', '.join(key.models)}",
            )
        now = self.now()
        concerned = [each for each in self._current(key.id, now) if each.quota.concerns(model)]
        used_up = [each for each in concerned if each.is_used_up]
        if used_up:
            raise _refusal(key, max(used_up, key=lambda each: each.end), now)
        for each in concerned:
            each.used += each.quota.unit is Unit.REQUESTS

    def spent(self, served: Served) -> None:
        """Count what a request used, in the windows of now. Its place was counted when it was let
        in. Never raises; a key that is gone is passed over."""
        if served.key is not None:
            self._count(served.key, served.model, sums_of(served, self.tariff))

    def used(self, name: str) -> tuple[tuple[Quota, int], ...]:
        """(quota, how much of it was used in its window of now) for each quota of a key."""
        return tuple((each.quota, each.used) for each in self._current(name, self.now()))

    def _current(self, name: str, now: datetime) -> tuple[_Meter, ...]:
        meters = self._meters.get(name, ())
        for each in meters:
            each.turn(now)
        return meters

    def _count(self, name: str, model: str, sums: Sums, at: datetime | None = None) -> None:
        """Add to the windows of now; of what was used at some earlier moment, to those of now that
        it lies in, the requests included."""
        for each in self._current(name, self.now()):
            if not each.quota.concerns(model) or (at is not None and at < each.begin):
                continue
            match each.quota.unit:
                case Unit.TOKENS:
                    each.used += sums.tokens
                case Unit.MONEY:
                    each.used += sums.money
                case Unit.REQUESTS if at is not None:
                    each.used += sums.requests


def _refusal(key: Key, meter: _Meter, now: datetime) -> QuotaUsedUp:
    quota = meter.quota
    anew = meter.end
    wait = max(1, math.ceil((anew - now).total_seconds()))
    amount = told(quota.amount) if quota.unit is Unit.MONEY else f"{quota.amount:,}"
    what = quota.currency or str(quota.unit)
    where = "" if quota.model == "*" else f" for {quota.model}"
    at = f"{anew:%H:%M} UTC" if quota.per in (Per.MINUTE, Per.HOUR) else f"{anew:%d %b %H:%M} UTC"
    return QuotaUsedUp(
        f"the API key {key.id} has used up its {amount} {what} a {quota.per}{where}",
        wait,
        hint=f"it starts anew at {at}, in {wait} s",
    )


_ASK = "an admin makes one with `!key create`"
