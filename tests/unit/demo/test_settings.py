from pathlib import Path

import pytest

from demo import settings
from demo.errors import DemoError
from demo.ports import Ports


@pytest.fixture
def ports() -> Ports:
    ports = Ports()
    ports.release()
    return ports


def test_every_job_has_a_token_of_its_own(ports: Ports) -> None:
    first, second = (settings.variables("null", ports, Path("needles"), {}) for _ in range(2))
    assert first["JOBTOKEN"] != second["JOBTOKEN"]


def test_chosen_variables_win(ports: Ports) -> None:
    variables = settings.variables("null", ports, Path("needles"), {"NAME": "mine"})
    assert variables["NAME"] == "mine"


def test_modules_are_named_with_or_without_the_folder_tests() -> None:
    chosen = {"SCHEDULE": "boot/menu_visible, tests/shell/small_steps"}
    assert settings.with_whole_schedule(chosen) == {
        "SCHEDULE": "tests/boot/menu_visible,tests/shell/small_steps"
    }


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DemoError, match=r"no test module tests/boot/nothing\.pm"):
        settings.with_whole_schedule({"SCHEDULE": "boot/nothing"})


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(DemoError, match="QEMUPORT must be a number"):
        settings.number({"QEMUPORT": "x"}, "QEMUPORT")
