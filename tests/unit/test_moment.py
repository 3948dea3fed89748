import pytest

from devmode.moment import moment


@pytest.mark.parametrize(("seconds", "year"), [(-1e14, 1970), (0, 1970), (1e9, 2001), (1e14, 9999)])
def test_a_time_beyond_the_calendar_can_be_shown(seconds: float, year: int) -> None:
    assert moment(seconds).year == year
