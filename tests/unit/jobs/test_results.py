import json
from pathlib import Path

import pytest

from devmode.commandserver.address import JobToken
from devmode.errors import TextNotFound
from devmode.jobs.results import results_in_pool, worth_keeping
from tests.pictures import png

TOKEN = JobToken("token-of-this-job")
GOOD = {"result": "ok", "screenshot": "menu-1.png", "text": "menu-1.txt"}
BAD = {"result": "fail", "screenshot": "shell-1.png", "text": "shell-1.txt"}
GONE = {"result": "softfail", "screenshot": "gone.png", "text": "gone.txt"}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A pool directory with the results of two modules."""
    results = tmp_path / "testresults"
    (results / ".thumbs").mkdir(parents=True)
    (tmp_path / "vars.json").write_text(json.dumps({"JOBTOKEN": TOKEN.reveal()}))
    for module, steps in (("menu", [GOOD]), ("shell", [BAD, GONE])):
        (results / f"result-{module}.json").write_text(json.dumps({"details": steps}))
        (results / f"{module}-1.txt").write_text(f"the text of {module}")
        for folder in (results, results / ".thumbs"):
            (folder / f"{module}-1.png").write_bytes(png())
    return tmp_path


def test_what_failed_comes_before_what_went_well(pool: Path) -> None:
    modules = "menu", "shell", "later"
    files = dict(worth_keeping(results_in_pool(pool, TOKEN), modules))
    assert list(files) == [
        "result-menu.json",
        "result-shell.json",
        "shell-1.txt",
        "shell-1.png",
        ".thumbs/shell-1.png",
        "menu-1.txt",
        "menu-1.png",
        ".thumbs/menu-1.png",
    ]
    assert files["shell-1.txt"] == b"the text of shell"
    assert files[".thumbs/shell-1.png"] == png()


def test_nothing_is_taken_from_another_job(pool: Path) -> None:
    results = results_in_pool(pool, JobToken("another"))
    with pytest.raises(TextNotFound, match="another job"):
        next(worth_keeping(results, ["menu"]))


@pytest.mark.parametrize("module", ["../vars", "a/b", "\0", "m" * 201])
def test_a_module_names_no_other_file(pool: Path, module: str) -> None:
    with pytest.raises(TextNotFound):
        results_in_pool(pool, TOKEN).record(module)


@pytest.mark.parametrize("name", ["../outside.png", "a/b.png", "\0.png"])
def test_no_other_file_is_measured(pool: Path, name: str) -> None:
    (pool / "outside.png").write_bytes(png())
    results = results_in_pool(pool, TOKEN)
    assert results.size("menu-1.png") != (0, 0)
    assert results.size(name) == (0, 0)
