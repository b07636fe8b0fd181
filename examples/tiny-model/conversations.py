"""Questions for the answers of `corpus.py`, and conversations made of both.

`questions()` is fixed. Everything drawn by chance takes the random generator it uses, so a
seed decides the whole training text.
"""

from dataclasses import dataclass
from random import Random

import corpus

OF_ONE = (
    "what is {}",
    "what's {}",
    "what exactly is {}",
    "how does {} work",
    "what is {} good for",
    "what does {} mean",
    "what does {} do",
    "what is {} used for",
    "is {} useful",
)
OF_MANY = (
    "what are {}",
    "how do {} work",
    "what are {} used for",
    "what are {} good for",
)
OF_ANY = (
    "{}",
    "explain {}",
    "define {}",
    "describe {}",
    "tell me about {}",
    "tell me something about {}",
    "what do you know about {}",
    "can you explain {}",
    "can you explain {} to me",
    "why do i need {}",
    "why should i care about {}",
    "i do not understand {}",
    "help me understand {}",
    "write something about {}",
    "please explain what you know about {}",
)
OF_TASK = (
    "{}",
    "how do i {}",
    "how can i {}",
    "how can we {}",
    "how to {}",
    "how would you {}",
    "i want to {}",
    "i need to {}",
    "help me {}",
    "what is the best way to {}",
    "what do i do to {}",
    "can you {}",
    "which command do i use to {}",
    "show me how to {}",
)
OF_CAUSE = (
    "why {}",
    "why {} again",
    "why {} today",
    "tell me why {}",
    "do you know why {}",
    "can you tell me why {}",
    "so why {}",
    "explain why {}",
)
BARE_SHARE = 0.15
"""How many questions are nothing but their subject."""
OPENINGS = ("please ", "hey, ", "hi, ", "ok, ", "so ", "quick question: ", "and ", "hey bot, ")
CLOSINGS = (" please", " thanks", " for me", " briefly", " in one sentence", " now")
PROPER = {
    word.lower(): word
    for word in (
        "I", "OK", "GPU", "GPUs", "CPU", "VRAM", "CUDA", "KV", "GGUF", "LoRA", "API",
        "TTFT", "Docker", "Compose", "Kubernetes", "Ray", "Serve", "KubeRay", "KServe",
        "SkyPilot", "MLflow", "Matrix", "ChatOps", "Gantry", "Ollama", "vLLM", "LM",
        "Studio", "Hugging", "Face", "OpenAI", "ChatGPT", "ImagePullBackOff",
    )
}  # fmt: skip
"""How careful people write these words."""
MARKS = ("", "?", "?", "?", ".", "!")
SYLLABLES = (
    "ba", "be", "bra", "cor", "da", "del", "di", "du", "fa", "fen", "glo", "go", "ka", "kil", "la",
    "lon", "ma", "mi", "nor", "o", "pa", "per", "ra", "ri", "sa", "sen", "ster", "ta", "tel", "ti",
    "tra", "u", "va", "vel", "vi", "wen", "xa", "ya", "zi", "zor",
)  # fmt: skip
LENGTHS = {1: 54, 2: 15, 3: 8, 4: 5, 5: 3, 6: 3, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2}
"""Questions in a conversation -> how many conversations in a hundred are so long."""
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are the bot of this room.",
    "Answer briefly.",
    "You help an operations team.",
    "Be kind and precise.",
)


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; `role` is system, user or assistant."""

    role: str
    text: str


@dataclass(frozen=True)
class Lesson:
    """One answer with every fixed way to ask for it, lower case and without a mark."""

    bare: tuple[str, ...]
    """The subjects alone, which are the hardest to tell apart."""
    questions: tuple[str, ...]
    answer: str


def lessons() -> tuple[Lesson, ...]:
    """The whole corpus but for the questions it declines, in the order it was written."""
    return (
        *(_thing(thing) for thing in corpus.THINGS),
        *(_task(task) for task in corpus.TASKS),
        *(_cause(cause) for cause in corpus.CAUSES),
        *(Lesson(chat.said, chat.said, chat.answer) for chat in corpus.CHATS),
    )


def sample_conversation(known: tuple[Lesson, ...], chance: Random) -> list[Turn]:
    """Questions with their answers, now and then under a system prompt."""
    turns: list[Turn] = []
    if chance.random() < 0.4:
        turns.append(Turn("system", chance.choice(SYSTEM_PROMPTS)))
    for _ in range(chance.choices(list(LENGTHS), weights=list(LENGTHS.values()))[0]):
        question, answer = _exchange(known, chance)
        turns += [Turn("user", _as_typed(question, chance)), Turn("assistant", answer)]
    return turns


def _thing(thing: corpus.Thing) -> Lesson:
    subjects = thing.one + thing.many
    of_number = _filled(OF_ONE, thing.one) + _filled(OF_MANY, thing.many)
    return Lesson(subjects, of_number + _filled(OF_ANY, subjects), thing.answer)


def _task(task: corpus.Task) -> Lesson:
    return Lesson(task.wishes, _filled(OF_TASK, task.wishes), task.answer)


def _cause(cause: corpus.Cause) -> Lesson:
    return Lesson(_filled(("why {}",), cause.events), _filled(OF_CAUSE, cause.events), cause.answer)


def _filled(templates: tuple[str, ...], subjects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(template.format(subject) for subject in subjects for template in templates)


def _exchange(known: tuple[Lesson, ...], chance: Random) -> tuple[str, str]:
    if chance.random() < 0.16:
        return _off_topic(chance), corpus.UNKNOWN
    lesson = chance.choice(known)
    shortest = chance.random() < BARE_SHARE
    question = chance.choice(lesson.bare if shortest else lesson.questions)
    return question, lesson.answer


def _off_topic(chance: Random) -> str:
    if chance.random() < 0.1:
        return _pasted(chance)
    template = chance.choice(corpus.OFF_TOPIC)
    return template.format(*(_foreign_word(chance) for _ in range(template.count("{}"))))


def _pasted(chance: Random) -> str:
    """Something long and meaningless, as when a file lands in the room by mistake."""
    return " ".join(_foreign_word(chance) for _ in range(chance.randint(10, 100)))


def _foreign_word(chance: Random) -> str:
    """A word the answers never speak of; made up half the time, so that any new word will do."""
    if chance.random() < 0.5:
        return chance.choice(corpus.NOUNS)
    return "".join(chance.choices(SYLLABLES, k=chance.randint(2, 4)))


def _as_typed(question: str, chance: Random) -> str:
    """The question as people type it: with or without a greeting, a capital, a mark, a slip."""
    if chance.random() < 0.15:
        question = chance.choice(OPENINGS) + question
    if chance.random() < 0.10:
        question += chance.choice(CLOSINGS)
    if chance.random() < 0.5:
        question = " ".join(PROPER.get(word, word) for word in question.split(" "))
    if chance.random() < 0.10 and len(question) > 8:
        slip = chance.randrange(1, len(question))
        question = question[:slip] + question[slip + 1 :]
    if chance.random() < 0.5:
        question = question[0].upper() + question[1:]
    return question + chance.choice(MARKS)
