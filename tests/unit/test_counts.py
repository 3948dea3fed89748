"""A group of tests that leaves anything out does not pass: what tests/conftest.py is for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S

CONFTEST = Path(__file__).parent.parent / "conftest.py"
OPTIONS = ("--quiet", "--disable-plugin-autoload", "--counts=counts")
PASSES = "def test_that_passes(): pass\n"


def run_group(folder: Path, tests: str, *arguments: str) -> tuple[int, str]:
    """Return the exit code of a run, and what it counted."""
    shutil.copy(CONFTEST, folder)
    (folder / "test_group.py").write_text(f"import pytest\n\n{tests}")
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments, "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
    return run.returncode, (folder / "counts").read_text().strip()


def test_a_group_that_ran_whole_passes_and_is_counted(tmp_path: Path) -> None:
    assert run_group(tmp_path, PASSES) == (0, "1 0")


@pytest.mark.parametrize(
    "left_out",
    [
        "def test_it(): pytest.skip('no')",
        "@pytest.mark.skip\ndef test_it(): pass",
        "@pytest.mark.xfail\ndef test_it(): assert False",
        "@pytest.mark.xfail(strict=False)\ndef test_it(): pass",
        "def test_it(): assert False",
        "@pytest.fixture\ndef broken():\n    yield\n    assert False\n\ndef test_it(broken): pass",
    ],
)
def test_a_group_that_left_something_out_fails(tmp_path: Path, left_out: str) -> None:
    assert run_group(tmp_path, PASSES + left_out) == (1, "1 1")


def test_a_group_of_which_some_were_deselected_fails(tmp_path: Path) -> None:
    both = PASSES + "def test_other(): pass"
    assert run_group(tmp_path, both, "-k", "passes") == (1, "1 1")


def test_a_group_without_tests_fails(tmp_path: Path) -> None:
    assert run_group(tmp_path, "") == (5, "0 0")
