from urllib.parse import urlsplit

import pytest

from devmode.commandserver.address import Address, JobToken


@pytest.mark.parametrize("host", ["worker.example.org", "10.1.2.3", "2001:db8::7", "::1"])
def test_a_url_leads_to_the_host_and_port(host: str) -> None:
    url = urlsplit(Address(host, 20013, JobToken("token")).url())
    assert (url.scheme, url.hostname, url.port, url.path) == ("ws", host, 20013, "/token/ws")
