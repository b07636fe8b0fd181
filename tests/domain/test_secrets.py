"""What is taken for a secret and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.secrets import kind_of_secret

A = "a1B2c3D4e5F6g7H8i9J0"

SECRETS = [
    (f"hf_{A}{A}", "Hugging Face"),
    (f"ghp_{A}{A}", "GitHub"),
    (f"github_pat_{A}{A}{A}", "GitHub"),
    (f"glpat-{A}", "GitLab"),
    (f"gantry-{A}{A}-_x", "gateway"),
    (f"sk-{A}{A}", "model provider"),
    (f"sk-ant-api03-{A}{A}", "model provider"),
    (f"sk-proj-{A}", "model provider"),
    ("AKIAABCDEFGHIJKLMNOP", "AWS"),
    (f"AIza{A}abcdefghijklmno", "Google"),
    (f"xoxb-{A}", "Slack"),
    ("syt_Ym90_abcdefghijklmnopqrst_0a1B2c", "Matrix"),
    (f"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.{A}", "JWT"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
    ("https://ann:s3cret@registry.example.org/x", "password"),
    ("--env HF_TOKEN=x", "named like a secret"),
    ("--env db_password=hunter2", "named like a secret"),
    ("OPENAI_API_KEY=abc", "named like a secret"),
]
HARMLESS = [
    "deploy qwen hf://Qwen/Qwen2.5-0.5B-Instruct --gpu 1",
    "deploy tiny tiny://ops --env HF_TOKEN=$HF_TOKEN",
    "infer tiny what is a token= for?",
    "infer tiny why does sk-learn fail?",
    "deploy x hf://org/repo@0123456789abcdef0123456789abcdef01234567",
    "deploy x https://registry.example.org:5000/x",
    "infer tiny my monkey=banana and password rules",
    "deploy x path:/models/sk-model-q4.gguf",
    r"deploy x path:D:\Models\gemma-3-12b-it-Q4_K_M.gguf --env MAX_TOKENS=5",
]


@pytest.mark.parametrize(("secret", "kind"), SECRETS)
def test_a_secret_is_recognised_wherever_it_stands(secret, kind):
    for text in (secret, f"deploy x tiny://ops {secret}", f"infer tiny keep\n{secret}\nsafe"):
        assert kind in (kind_of_secret(text) or "")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_commands_usually_hold_is_no_secret(text):
    assert kind_of_secret(text) is None


@given(st.text())
def test_any_text_can_be_looked_at(text):
    assert kind_of_secret(text) is None or isinstance(kind_of_secret(text), str)
