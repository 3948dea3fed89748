"""Whoever asks the nginx of deploy/ for more than a browser does."""

import pytest

from tests.processes.proxy import Proxy

MOST_REQUESTS = 3000


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_asks_too_often_is_told_when_to_ask_again(proxy: Proxy, method: str) -> None:
    connection = proxy.connect()
    for _ in range(MOST_REQUESTS):
        connection.request(method, "/sign-in")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status == 429:
            break
    connection.close()
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert text == "Too many requests of this address. Try again in a second.\n"
