"""A real nginx that signs people in, with something that knows them behind it."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest
from gevent.pywsgi import WSGIServer

from tests.processes.proxy import Proxy, SigningNginx
from tests.processes.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

GROUPS = {"olivia": "qa,staff", "ada": "staff,qa-admins", "victor": "staff"}


def knows(environ: dict[str, Any], start_response: "StartResponse") -> list[bytes]:
    """Answers as oauth2-proxy does, about whoever a cookie names."""
    assert "HTTP_X_DEVMODE_PROXY_SECRET" not in environ
    who = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("who")
    if who is None:
        start_response("401 Unauthorized", [])
        return []
    groups = GROUPS[who.value]
    told = [("X-Auth-Request-User", who.value), ("X-Auth-Request-Groups", groups)]
    start_response("202 Accepted", told)
    return []


@pytest.fixture(scope="module")
def signing(proxied_world: World) -> Iterator[Proxy]:
    asked = WSGIServer(("127.0.0.1", 0), knows, log=None)
    asked.start()
    nginx = SigningNginx(proxied_world, f"http://127.0.0.1:{asked.server_port}")
    yield nginx
    nginx.stop()
    asked.stop()


def page(signing: Proxy, headers: dict[str, str]) -> tuple[int, str]:
    connection = signing.connect()
    connection.request("GET", "/", headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_whom_the_proxy_knows_is_here_with_the_role_of_their_groups(signing: Proxy) -> None:
    roles = {"olivia": "operator", "ada": "administrator", "victor": "viewer"}
    for name, role in roles.items():
        status, text = page(signing, {"Cookie": f"who={name}"})
        assert status == 200
        assert f"{name} · {role}" in text
    assert page(signing, {})[0] == 401


def test_nobody_names_themselves_or_takes_another_role(signing: Proxy) -> None:
    forged = {"X-Devmode-User": "root", "X-Devmode-Role": "administrator"}
    _status, text = page(signing, forged | {"Cookie": "who=victor"})
    assert "victor · viewer" in text
