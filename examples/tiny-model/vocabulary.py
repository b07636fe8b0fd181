"""The words of the tiny model: byte-level BPE, as llama.cpp's `gpt2` tokenizer expects it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from conversations import Turn
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BEGIN = "<|bos|>"
END = "<|end|>"
"""Closes every message. It is also the end-of-turn token, so answers stop by themselves."""
ROLES = {role: f"<|{role}|>" for role in ("system", "user", "assistant")}
SPECIALS = (BEGIN, END, *ROLES.values())
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Jinja; writes what `Vocabulary.encode` writes, but for BEGIN, which llama.cpp adds itself."""


@dataclass(frozen=True)
class Encoded:
    """A conversation as token ids, and which of them the assistant says (its END too)."""

    ids: list[int]
    spoken: list[bool]


@dataclass(frozen=True)
class Vocabulary:
    """A trained tokenizer together with the lists a model file stores."""

    tokenizer: Tokenizer
    tokens: tuple[str, ...]
    """By id. Bytes are spelled with GPT-2's printable stand-ins."""
    merges: tuple[str, ...]
    """"left right", most frequent first."""

    def id_of(self, token: str) -> int:
        """Where `token` stands in the list."""
        return self.tokens.index(token)

    def encode(self, turns: Iterable[Turn]) -> Encoded:
        """Spell a conversation the way the chat template does, BEGIN included."""
        ids, spoken = [self.id_of(BEGIN)], [False]
        for turn in turns:
            said = [*self.tokenizer.encode(turn.text).ids, self.id_of(END)]
            ids += [self.id_of(ROLES[turn.role]), *said]
            spoken += [False, *(turn.role == "assistant" for _ in said)]
        return Encoded(ids, spoken)


def learn_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """Merge the most frequent neighbours in `texts` until there are `size` tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    return Vocabulary(
        tokenizer=tokenizer,
        tokens=tuple(sorted(learned["vocab"], key=learned["vocab"].__getitem__)),
        merges=tuple(" ".join(pair) for pair in learned["merges"]),
    )
