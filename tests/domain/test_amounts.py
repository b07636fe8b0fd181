"""Bytes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.amounts import memory, read_memory


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8g", 2**33),
        ("8G", 2**33),
        ("8GB", 2**33),
        ("8 GiB", 2**33),
        ("1.5g", 3 * 2**29),
        ("512m", 2**29),
        ("1t", 2**40),
        ("4096B", 4096),
    ],
)
def test_memory_is_read_as_docker_reads_it(text, amount):
    assert read_memory(text) == amount


@pytest.mark.parametrize(
    "text", ["", "8", "g", "-8g", "8gg", "8 g b", "1e3g", "٨g", "nang", "1025t", "9" * 40 + "g"]
)
def test_anything_else_is_no_amount(text):
    with pytest.raises(ValueError, match="is no amount of memory; write `512m` or `8g`"):
        read_memory(text)


@pytest.mark.parametrize(
    ("amount", "told"), [(2**33, "8 GiB"), (3 * 2**29, "1536 MiB"), (1000, "1000 B"), (0, "0 B")]
)
def test_memory_is_told_in_the_largest_unit_that_loses_nothing(amount, told):
    assert memory(amount) == told


@given(st.integers(0, 2**50))
def test_what_is_told_is_read_as_the_same(amount):
    assert read_memory(memory(amount)) == amount
