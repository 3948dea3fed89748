import json
from dataclasses import replace

import pytest

from devmode.errors import InvalidCommand
from devmode.jobs.needles import Needle, NeedleArea, check, suggested_name, whole

AREA = NeedleArea(10, 20, 30, 40)
NEEDLE = Needle("login-20260101", ("login",), (AREA,))


def test_its_json_is_what_os_autoinst_reads() -> None:
    areas = (AREA, NeedleArea(0, 0, 5, 5, "exclude"), NeedleArea(1, 2, 3, 4, "ocr"))
    assert json.loads(replace(NEEDLE, tags=("b", "a", "b"), areas=areas).json) == {
        "area": [
            {"xpos": 10, "ypos": 20, "width": 30, "height": 40, "type": "match", "match": 96},
            {"xpos": 0, "ypos": 0, "width": 5, "height": 5, "type": "exclude"},
            {"xpos": 1, "ypos": 2, "width": 3, "height": 4, "type": "ocr"},
        ],
        "properties": [],
        "tags": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("inst-welcome", "x"), "inst-welcome-20260102"),
        (("", "console"), "console-20260102"),
        ((), "needle-20260102"),
        (("../etc/passwd",), "_etc_passwd-20260102"),
        (("…",), "_-20260102"),
        (("x" * 300,), "x" * 91 + "-20260102"),
    ],
)
def test_a_name_that_is_suggested_is_one_that_is_taken(words: tuple[str, ...], name: str) -> None:
    assert suggested_name(words, "20260102") == name
    check(replace(NEEDLE, name=name), 1024, 768)


@pytest.mark.parametrize(
    "name", ["", ".hidden", "../x", "a/b", "a b", "ä", "a\0", "a\n", "x" * 101]
)
def test_a_name_is_no_other_file_and_nothing_hidden(name: str) -> None:
    with pytest.raises(InvalidCommand, match="A name has"):
        check(replace(NEEDLE, name=name), 1024, 768)


@pytest.mark.parametrize(
    "tags", [(), ("",), ("a b",), ("a\n",), ("a\x1b[0m",), ("x" * 201,), ("x",) * 51]
)
def test_tags_are_what_a_test_can_look_for(tags: tuple[str, ...]) -> None:
    with pytest.raises(InvalidCommand, match="tag"):
        check(replace(NEEDLE, tags=tags), 1024, 768)


@pytest.mark.parametrize(
    ("area", "told"),
    [
        (NeedleArea(0, 0, 101, 50), "Area 1 leaves the picture, which is 100 × 50 pixels."),
        (NeedleArea(99, 0, 2, 50), "leaves"),
        (NeedleArea(0, 49, 1, 2), "leaves"),
        (NeedleArea(-1, 0, 1, 1), "leaves"),
        (NeedleArea(0, 0, 0, 1), "at least 1"),
        (NeedleArea(0, 0, 1, 0), "at least 1"),
        (NeedleArea(0, 0, 1, 1, "other"), "one of match, exclude, ocr"),
        (NeedleArea(0, 0, 1, 1, match=0), "1 to 100"),
        (NeedleArea(0, 0, 1, 1, match=101), "1 to 100"),
    ],
)
def test_areas_are_within_the_picture_and_make_sense(area: NeedleArea, told: str) -> None:
    with pytest.raises(InvalidCommand, match=told):
        check(replace(NEEDLE, areas=(area,)), 100, 50)


def test_an_area_may_be_the_whole_picture() -> None:
    check(replace(NEEDLE, areas=(whole(100, 50),)), 100, 50)


@pytest.mark.parametrize("types", [(), ("exclude",), ("ocr", "exclude")])
def test_a_needle_that_would_match_every_screen_is_refused(types: tuple[str, ...]) -> None:
    areas = tuple(replace(AREA, type=kind) for kind in types)
    with pytest.raises(InvalidCommand, match="type match"):
        check(replace(NEEDLE, areas=areas), 1024, 768)


def test_there_are_at_most_fifty_areas() -> None:
    check(replace(NEEDLE, areas=(AREA,) * 50), 1024, 768)
    with pytest.raises(InvalidCommand, match="50"):
        check(replace(NEEDLE, areas=(AREA,) * 51), 1024, 768)
