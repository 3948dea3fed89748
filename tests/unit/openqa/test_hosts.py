import ipaddress

import pytest

from devmode.openqa import hosts
from devmode.openqa.hosts import HostRule, Refused

NAMES = {
    "openqa.example.org": ["192.0.2.1"],
    "worker.example.org": ["192.0.2.7", "2001:db8::7"],
    "metadata": ["169.254.169.254"],
    "self": ["127.0.0.1"],
    "vm": ["127.0.1.1"],
    "localhost": ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def look_up(host: str) -> tuple[hosts.Address, ...]:
        asked.append(host)
        texts = NAMES.get(host, [host] if host[0].isdigit() else [])
        return tuple(map(ipaddress.ip_address, texts))

    monkeypatch.setattr(hosts, "look_up", look_up)
    return asked


def test_without_a_setting_a_link_goes_to_openqas_own_host_alone() -> None:
    rule = HostRule("https://openqa.example.org", ())
    assert rule.address_of("192.0.2.1") == "192.0.2.1"
    assert rule.address_of("openqa.example.org") == "192.0.2.1"
    for host in ("worker.example.org", "metadata", "self", "127.0.0.1", "10.0.0.1", "0.0.0.0"):
        with pytest.raises(Refused, match="DEVMODE_COMMAND_SERVER_HOSTS"):
            rule.address_of(host)


def test_beside_an_openqa_of_this_machine_every_address_of_it_will_do() -> None:
    rule = HostRule("http://localhost:9526", ())
    assert rule.address_of("vm") == "127.0.1.1"
    for host in ("openqa.example.org", "metadata", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(Refused):
            rule.address_of(host)


@pytest.mark.parametrize(
    "pattern", ["worker.example.org", "*.EXAMPLE.org", "192.0.2.0/24", "192.0.2.7", "*"]
)
def test_more_can_be_permitted_by_name_address_or_network(pattern: str) -> None:
    rule = HostRule("https://elsewhere.example", (pattern,))
    assert rule.address_of("worker.example.org") == "192.0.2.7"


def test_the_address_that_is_permitted_is_taken_among_several() -> None:
    rule = HostRule("https://elsewhere.example", ("2001:db8::/32",))
    assert rule.address_of("worker.example.org") == "2001:db8::7"


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(Refused, match=r"nowhere can't be resolved"):
        HostRule("https://openqa.example.org", ("*",)).address_of("nowhere")


def test_a_name_is_not_looked_up_all_the_time(names: list[str]) -> None:
    rule = HostRule("https://openqa.example.org", ("192.0.2.7",))
    for _ in range(5):
        rule.address_of("worker.example.org")
    assert names == ["worker.example.org"]


def test_a_name_that_was_not_asked_for_in_a_while_is_forgotten(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "MOST_KEPT", 2)
    rule = HostRule("https://openqa.example.org", ("*",))
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3", "192.0.2.1", "192.0.2.2"):
        rule.address_of(host)
    assert names == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2"]


def test_this_machines_addresses_are_those_that_can_be_bound() -> None:
    assert hosts.is_own(ipaddress.ip_address("127.0.0.1"))
    assert not hosts.is_own(ipaddress.ip_address("192.0.2.1"))
