"""Trains the tiny model from nothing and writes it as `tiny-ops.gguf`.

    python train.py --minutes 5 --out tiny-ops.gguf    # as far as five CPU minutes go
    python train.py --steps 1000 --out tiny-ops.gguf   # exactly so far, for the same bytes again

One thread, because matrices this small gain nothing from a second one.
"""

import argparse
import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from random import Random

import torch
from conversations import Lesson, lessons, sample_conversation
from gguf_file import write_gguf
from network import Shape, TinyLlama
from torch import Tensor, nn
from torch.nn import functional
from vocabulary import Encoded, Vocabulary, learn_vocabulary

SEED = 20
VOCABULARY_SIZE = 1024
ANSWER_SHARE = 20
"""How often each answer counts when the tokens are chosen; every question counts twice."""
BATCH_TOKENS = 1100
"""At most so many per step, padding included."""
LONGEST = 700
"""Tokens; the few conversations beyond that are passed over."""
POOL = 800
"""Conversations drawn together and sorted by length, so that a batch needs little padding."""
PEAK_RATE = 3e-3
WARM_UP_STEPS = 50
QUESTION_WEIGHT = 0.1
"""How much a token of a question counts, next to 1 for a token of an answer."""


@dataclass(frozen=True)
class Batch:
    """Padded conversations: both tensors are (conversations, tokens)."""

    ids: Tensor
    weights: Tensor
    """How much it matters to predict the token there; 0 for padding."""


@dataclass(frozen=True)
class Outcome:
    """How training ended. `loss` is the mean of the last 50 steps, in nats per token."""

    steps: int
    loss: float
    cpu_seconds: float


Done = Callable[[int], float]
"""Steps so far -> how much of the training is over, from 0 to 1."""


def main() -> None:
    """Learn the words, train the network, write the file, say how it went."""
    args = arguments()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    known, chance = lessons(), Random(SEED)
    vocabulary = learn_vocabulary(vocabulary_text(known), VOCABULARY_SIZE)
    shape = Shape(vocabulary=len(vocabulary.tokens))
    net = TinyLlama(shape)
    print(f"{sum(p.numel() for p in net.parameters())} weights, {len(known)} lessons", flush=True)
    done = by_steps(args.steps) if args.steps else by_cpu_time(args.minutes * 60)
    outcome = train(net, batches(known, vocabulary, chance), done)
    weights = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    write_gguf(args.out, shape, weights, vocabulary)
    print(outcome)
    content = args.out.read_bytes()
    print(f"{args.out}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Train the tiny model and write it as GGUF.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=5.0, help="CPU time to spend (5)")
    length.add_argument("--steps", type=int, help="exact number of steps instead")
    parser.add_argument("--out", type=Path, default=Path("tiny-ops.gguf"))
    return parser.parse_args()


def by_steps(steps: int) -> Done:
    """The same on every machine."""
    return lambda step: step / steps


def by_cpu_time(seconds: float) -> Done:
    """Depends on the machine, so two runs end with different bytes."""
    began = time.process_time()
    return lambda _step: (time.process_time() - began) / seconds


def vocabulary_text(known: tuple[Lesson, ...]) -> Iterator[str]:
    """What is said in the lessons, to count which letters go together."""
    for lesson in known:
        yield from lesson.questions
        yield from (question.capitalize() for question in lesson.questions)
        yield from [lesson.answer] * ANSWER_SHARE


def batches(known: tuple[Lesson, ...], vocabulary: Vocabulary, chance: Random) -> Iterator[Batch]:
    """Fresh conversations without end."""
    while True:
        drawn = (vocabulary.encode(sample_conversation(known, chance)) for _ in range(POOL))
        pool = [encoded for encoded in drawn if len(encoded.ids) <= LONGEST]
        groups = list(grouped(sorted(pool, key=lambda encoded: len(encoded.ids))))
        chance.shuffle(groups)
        yield from map(as_batch, groups)


def grouped(by_length: list[Encoded]) -> Iterator[list[Encoded]]:
    """Cut the list, shortest first, wherever the next one would make a batch too large."""
    group: list[Encoded] = []
    for encoded in by_length:
        if group and (len(group) + 1) * len(encoded.ids) > BATCH_TOKENS:
            yield group
            group = []
        group.append(encoded)
    yield group


def as_batch(group: list[Encoded]) -> Batch:
    """Pad to the longest; padding weighs nothing and may hold any token."""
    longest = max(len(encoded.ids) for encoded in group)
    batch = Batch(
        ids=torch.zeros(len(group), longest, dtype=torch.long),
        weights=torch.zeros(len(group), longest),
    )
    for row, encoded in enumerate(group):
        length = len(encoded.ids)
        batch.ids[row, :length] = torch.tensor(encoded.ids)
        said = torch.tensor(encoded.spoken)
        batch.weights[row, :length] = torch.where(said, 1.0, QUESTION_WEIGHT)
    return batch


def train(net: TinyLlama, source: Iterator[Batch], done: Done) -> Outcome:
    """AdamW with a short warm-up and a cosine decay, until `done` says 1."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.05)
    recent: deque[float] = deque(maxlen=50)
    began, step = time.process_time(), 0
    while (progress := done(step)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress)
        loss = batch_loss(net, next(source))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        recent.append(loss.item())
        step += 1
        if step % 50 == 0:
            spent = time.process_time() - began
            print(f"step {step} loss {sum(recent) / 50:.3f} cpu {spent:.0f} s", flush=True)
    return Outcome(step, sum(recent) / max(len(recent), 1), time.process_time() - began)


def learning_rate(step: int, progress: float) -> float:
    """Rise to the peak, then fall along a cosine to a fiftieth of it."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * warm_up * (0.02 + 0.98 * (1 + cos(pi * progress)) / 2)


def batch_loss(net: TinyLlama, batch: Batch) -> Tensor:
    """Mean surprise in nats per token, each weighted as the batch says."""
    scores = net(batch.ids[:, :-1])
    surprise = functional.cross_entropy(
        scores.flatten(0, 1), batch.ids[:, 1:].flatten(), reduction="none"
    )
    weights = batch.weights[:, 1:].flatten()
    return (surprise * weights).sum() / weights.sum()


if __name__ == "__main__":
    main()
