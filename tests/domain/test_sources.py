import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sources import Source, parse_source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("tiny://ops", Source("tiny", "ops")),
        ("hf://Qwen/Qwen2.5-7B-Instruct", Source("hf", "Qwen/Qwen2.5-7B-Instruct")),
        ("hf://org/repo@main", Source("hf", "org/repo", "main")),
        ("hf://org/repo/q4/file.gguf@v1", Source("hf", "org/repo/q4/file.gguf", "v1")),
        ("path:/models/x.gguf", Source("path", "/models/x.gguf")),
        ("path:/models/a@b.gguf", Source("path", "/models/a@b.gguf")),
        ("path:///models/x.gguf", Source("path", "/models/x.gguf")),
        ("path:/models/my model.gguf", Source("path", "/models/my model.gguf")),
        (r"path:D:\Models\x.gguf", Source("path", r"D:\Models\x.gguf")),
        ("path:D:/Models/x.gguf", Source("path", "D:/Models/x.gguf")),
        ("s3://bucket/key", Source("s3", "bucket/key")),
        ("mlflow://name@alias", Source("mlflow", "name", "alias")),
        ("mlflow://name/7", Source("mlflow", "name/7")),
        ("oci://registry/image:tag", Source("oci", "registry/image:tag")),
        ("ollama://llama3:8b", Source("ollama", "llama3:8b")),
        ("compose:/srv/projects/chat", Source("compose", "/srv/projects/chat")),
        ("compose:///srv/my chat/a@b.yaml", Source("compose", "/srv/my chat/a@b.yaml")),
    ],
)
def test_every_form_is_read_and_written_back(text, source):
    assert parse_source(text) == source
    assert parse_source(str(source)) == source


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a model source"),
        ("qwen", "is not a model source"),
        ("http://host/x.gguf", "is not a model source"),
        ("HF://org/repo", "is not a model source"),
        ("hf:/org/repo", "is not a model source"),
        ("hf://", "names no model"),
        ("tiny://", "names no model"),
        ("hf://@main", "names no model"),
        ("hf://onlyorg", "is not a repository"),
        ("hf://org/", "is not a repository"),
        ("hf://org/repo/", "is not a repository"),
        ("hf://org/../etc/passwd", "is not a repository"),
        ("hf://org/repo/../../x", "is not a repository"),
        ("hf://org/repo?x=1", "is not a repository"),
        ("hf://org/re po", "is not a repository"),
        ("path:models/x.gguf", "is not absolute"),
        ("path:", "is not absolute"),
        ("path:~/x.gguf", "is not absolute"),
        ("path:D:x.gguf", "is not absolute"),
        ("compose:", "is not absolute"),
        ("compose:chat", "is not absolute"),
        ("compose://host/chat", "is not absolute"),
        (r"compose:C:\chat", "is not absolute"),
        ("tiny://ops\n", "unprintable"),
        ("tiny://o\x00ps", "unprintable"),
        ("tiny://ops\u202e", "unprintable"),
    ],
)
def test_a_wrong_source_is_named_and_a_right_one_shown(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        parse_source(text)
    assert len(str(caught.value)) < 250


@given(st.text(min_size=1, max_size=2000))
def test_no_text_breaks_the_reader_and_no_complaint_is_long(text):
    for prefix in ("", "hf://", "path:", "tiny://"):
        try:
            source = parse_source(prefix + text)
        except ValueError as error:
            complaint = str(error)
        else:
            assert parse_source(str(source)) == source
            continue
        assert 0 < len(complaint) < 250


def test_a_repository_and_the_file_in_it_are_told_apart():
    whole, one = parse_source("hf://org/repo"), parse_source("hf://org/repo/q4/x.gguf@v1")
    assert (whole.repository, whole.file) == ("org/repo", None)
    assert (one.repository, one.file) == ("org/repo", "q4/x.gguf")
