"""What replicas need, against what is free where they start: arithmetic, shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.amounts import size
from domain.services import MAX_REPLICAS


@dataclass(frozen=True, slots=True)
class Need:
    """Memory one replica takes, in bytes, as far as its model's header tells before it runs."""

    weights: int
    cache: int
    """Keys and values of `tokens`."""
    overhead: int
    """Buffers of the engine and the engine itself."""
    tokens: int
    """What all conversations together may hold."""
    conversations: int = 1
    """How many share `tokens` evenly."""
    quantisation: str | None = None
    """How the weights are kept, `Q8_0`, where that is known."""
    cards: int | None = None
    """How many graphics cards it uses of all there are; None for every one."""
    share: float | None = None
    """What of each card its engine takes whatever it needs, to keep more keys and values."""
    floor: int = 0
    """Bytes of keys and values that its engine takes on the processor, whatever it needs."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.overhead

    def holding(self, context: int, conversations: int | None = None) -> Need:
        """The same with so many tokens for each conversation, and so many of these."""
        count = conversations or self.conversations
        tokens = context * count
        cache = self.cache * tokens // self.tokens if self.tokens else 0
        return replace(self, cache=cache, tokens=tokens, conversations=count)

    def keeping(self, cache: int) -> Need:
        """The same with at least so many bytes of keys and values."""
        if cache <= self.cache:
            return self
        tokens = self.tokens * cache // self.cache if self.cache else self.tokens
        return replace(self, cache=cache, tokens=tokens)

    def on_cards(self, card: int, count: int) -> Need:
        """What becomes of it on so many cards of so many bytes each."""
        if self.share is None:
            return self
        return self.keeping(int(self.share * card) * count - self.weights - self.overhead)

    @property
    def on_processor(self) -> Need:
        """What becomes of it in the machine's memory."""
        return self.keeping(self.floor)


@dataclass(frozen=True, slots=True)
class Fit:
    """What replicas that are started need against what is free, at the moment of a plan at which
    the least is left."""

    need: Need
    replicas: int
    """How many have been started by then."""
    free: int
    """Bytes that were measured: of graphics memory where they use a card, else the machine's."""
    on_card: bool = False
    cards: tuple[int, ...] = ()
    """Bytes free on each card, `back` included."""
    each: int | None = None
    """Cards one replica is shared out over evenly; None where it takes what there is of all."""
    back: int = 0
    """Bytes that replicas stopped by then have given back, by the same arithmetic."""
    card: int = 0
    """Bytes of one card in all, used or not."""

    @property
    def taken(self) -> Need:
        """What each of them takes in that place."""
        return self._here(self.need)

    @property
    def wanted(self) -> int:
        """Bytes they take together."""
        return self.taken.total * self.replicas

    @property
    def left(self) -> int:
        """Bytes that remain; negative where it is too little."""
        return self.free + self.back - self.wanted

    @property
    def fits(self) -> bool:
        """Whether there is that much, on the cards where it has to be."""
        return self.holds(self.need, self.replicas)

    @property
    def most(self) -> int:
        """How many such replicas would fit."""
        return next(n for n in range(MAX_REPLICAS, -1, -1) if self.holds(self.need, n))

    def holds(self, need: Need, replicas: int) -> bool:
        """Whether so many others would fit in the same place."""
        total = self._here(need).total
        if not self.cards or self.each is None:
            return total * replicas <= self.free + self.back
        return _packed(total, replicas, self.cards, self.each)

    def _here(self, need: Need) -> Need:
        if not self.cards:
            return need.on_processor
        return need.on_cards(self.card, self.each or len(self.cards))


def _packed(total: int, replicas: int, cards: tuple[int, ...], each: int) -> bool:
    """Each replica takes an even share of the `each` cards with the most left. For replicas of one
    size no other order places more."""
    share, left = -(-total // each), list(cards)
    for _ in range(replicas):
        left.sort(reverse=True)
        if len(left) < each or left[each - 1] < share:
            return False
        left[:each] = [free - share for free in left[:each]]
    return True


def outgrown(then: Fit, now: Fit | None) -> str | None:
    """What of something that fitted then does not fit now, in words; None where it still does, or
    where that cannot be told."""
    if now is None or now.fits or not then.fits:
        return None
    where = "graphics memory" if now.on_card else "memory"
    return f"the {where} it needs was taken: {size(now.wanted)}, and {size(now.free)} is free"
