"""Pictures as models are shown them."""

import pytest

from commands.pictures import LARGEST, data_url
from domain.errors import Refused
from inference.client import ChatRequest, Turn

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("begins", "kind"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
    ],
)
def test_what_a_picture_is_is_told_by_how_it_begins(begins, kind):
    assert data_url(begins).startswith(f"data:image/{kind};base64,")


@pytest.mark.parametrize("other", [b"", b"<svg>", b"RIFF\x00\x00\x00\x00WAVE", b" " + PNG])
def test_anything_else_is_refused(other):
    with pytest.raises(Refused, match="PNG, JPEG, WebP and GIF"):
        data_url(other)


def test_a_picture_has_so_many_bytes_and_no_more():
    assert data_url(PNG.ljust(LARGEST))
    with pytest.raises(Refused, match="more than 5 MB"):
        data_url(PNG.ljust(LARGEST + 1))


def test_a_turn_with_a_picture_is_written_in_parts():
    turns = (Turn("system", "Be."), Turn("user", "what?", pictures=("data:x",)))
    assert ChatRequest("m", turns).body()["messages"] == [
        {"role": "system", "content": "Be."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": "data:x"}},
            ],
        },
    ]
