"""Writes a tiny Llama with weights drawn at random: `make_model.py FOLDER [FIELD=VALUE ...]`.

Runs with the Python that has vLLM, for its transformers. What it says is nonsense, and always the
same at temperature 0. Fields are those of config.json, for models that should not load.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT = 512
TURNS = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = ["One two three, and so on: what is a container, and who asks for it?"]


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and their commonest pairs."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        WORDS, trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        chat_template=TURNS,
        model_max_length=CONTEXT,
    )


def write(folder: Path, fields: dict[str, object]) -> None:
    """All that a repository of such a model has."""
    torch.manual_seed(1)
    words = tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)
    kept = folder / "config.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | fields))


if __name__ == "__main__":
    said = dict(each.split("=", 1) for each in sys.argv[2:])
    write(Path(sys.argv[1]), {key: json.loads(value) for key, value in said.items()})
