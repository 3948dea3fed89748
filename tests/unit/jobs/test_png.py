import pytest

from devmode.jobs.png import HEAD, is_whole, size_of
from devmode.schemas import LARGEST_SIDE
from tests.pictures import png


def test_the_first_bytes_tell_the_size() -> None:
    assert size_of(png(5, 4)[:HEAD]) == (5, 4)


@pytest.mark.parametrize("size", [(0, 3), (4, 0), (LARGEST_SIDE + 1, 1)])
def test_what_no_screen_can_be_as_large_as_has_no_size(size: tuple[int, int]) -> None:
    assert size_of(png(*size)) == (0, 0)
    assert not is_whole(png(*size))


def test_a_beginning_is_not_whole() -> None:
    assert is_whole(png())
    assert not is_whole(png()[:-1])
    assert size_of(png()[: HEAD - 1]) == (0, 0)
