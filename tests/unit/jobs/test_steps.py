from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmode.jobs.steps import is_result_file, read_steps
from devmode.schemas import LARGEST_SIDE, DrawnArea

AREA = {"x": 50, "y": 300, "w": 570, "h": 52, "result": "ok", "similarity": 100}
MATCH = {
    "area": [AREA],
    "needle": "grub-menu",
    "result": "ok",
    "screenshot": "menu_visible-1.png",
    "tags": ["grub-menu"],
}
MISMATCH = {
    "needles": [
        {"name": "far", "area": [{**AREA, "result": "fail", "similarity": 20}]},
        {"name": "near", "area": [AREA, {**AREA, "result": "fail", "similarity": 61}]},
    ],
    "result": "fail",
    "screenshot": "missing_needle-2.png",
    "tags": ["one", "other"],
}
SERIAL = {"result": "ok", "text": "command_line-5.txt", "title": "wait_serial"}

KEYS = [*"xywh", "area", "needles", "name", "needle", "result", "screenshot", "text", "title"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
)


def test_a_match_is_shown_by_its_needle_and_where_it_matched() -> None:
    (step,) = read_steps({"details": [MATCH]})
    assert step.caption == "grub-menu 100 %"
    area = DrawnArea(x=50, y=300, width=570, height=52, matched=True, similarity=100)
    assert step.drawn == (area,)
    assert not step.failed


def test_a_mismatch_is_shown_by_the_needle_that_nearly_matched() -> None:
    (step,) = read_steps({"details": [MISMATCH]})
    assert step.failed
    assert step.caption == "one, other"
    assert [(needle.name, needle.similarity) for needle in step.candidates] == [
        ("near", 80),
        ("far", 20),
    ]
    assert [area.matched for area in step.drawn] == [True, False]


def test_a_text_is_shown_by_its_title() -> None:
    (step,) = read_steps({"details": [SERIAL]})
    assert (step.caption, step.text, step.screenshot) == ("wait_serial", "command_line-5.txt", None)


@given(st.fixed_dictionaries({"details": JSON}) | JSON)
def test_any_content_is_survived(content: Any) -> None:
    for step in read_steps(content):
        assert isinstance(step.caption, str)
        assert step.screenshot is None or is_result_file(step.screenshot)
        for area in step.drawn:
            parts = area.x, area.y, area.width, area.height
            assert all(0 <= part <= LARGEST_SIDE for part in parts)
            assert 0 <= area.similarity <= 100


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x.png", "a/b.png", ".x.png", "x.json", "x.png\n", "x\0.png", "x" * 300 + ".png"],
)
def test_results_are_pictures_and_texts_without_a_folder(name: str) -> None:
    assert not is_result_file(name)


@pytest.mark.parametrize("name", ["menu_visible-1.png", "a-2.txt", "yast2_i-12.ls-l.txt", "é.png"])
def test_names_that_os_autoinst_makes_are_results(name: str) -> None:
    assert is_result_file(name)
