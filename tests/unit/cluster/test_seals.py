"""What hosts say to each other can't be made up, changed, said again or said to another."""

import pytest

from devmode.cluster.seals import FRESH_S, SEAL, NotSealed, Seals

NOW = 1_000_000.0


def asked(content: bytes = b"what?", secret: str = "secret", receiver: str = "a") -> bytes:
    return Seals(secret).ask(receiver, content, NOW)[0]


def test_a_question_and_its_answer_arrive() -> None:
    sealed, opening = Seals("secret").ask("a", b"what?", NOW)
    content, answer = Seals("secret").open(sealed, "a", NOW + 1)
    assert content == b"what?"
    assert [opening.open(answer.seal(part)) for part in (b"this", b"that")] == [b"this", b"that"]


def test_who_knows_another_secret_is_not_believed() -> None:
    with pytest.raises(NotSealed):
        Seals("secret").open(asked(secret="guess"), "a", NOW)


@pytest.mark.parametrize("at", [0, SEAL - 1, SEAL, -1])
def test_a_question_that_was_changed_is_not_believed(at: int) -> None:
    changed = bytearray(asked())
    changed[at] ^= 1
    with pytest.raises(NotSealed):
        Seals("secret").open(bytes(changed), "a", NOW)


@pytest.mark.parametrize("said", [b"", b"x", b"x" * SEAL, b"x" * 1000])
def test_nonsense_is_not_believed(said: bytes) -> None:
    with pytest.raises(NotSealed):
        Seals("secret").open(said, "a", NOW)


def test_a_question_is_answered_once() -> None:
    seals, sealed = Seals("secret"), asked()
    seals.open(sealed, "a", NOW)
    for later in (0, FRESH_S, -FRESH_S):
        with pytest.raises(NotSealed):
            seals.open(sealed, "a", NOW + later)


@pytest.mark.parametrize("later", [FRESH_S + 1, -FRESH_S - 1, 1e300, float("nan")])
def test_a_question_of_another_time_is_not_answered(later: float) -> None:
    with pytest.raises(NotSealed):
        Seals("secret").open(asked(), "a", NOW + later)


def test_a_question_that_seems_to_come_from_the_future_is_remembered_until_it_is_old() -> None:
    seals, sealed = Seals("secret"), asked()
    seals.open(sealed, "a", NOW - FRESH_S)
    seals.open(asked(b"another"), "a", NOW + FRESH_S - 1)
    with pytest.raises(NotSealed):
        seals.open(sealed, "a", NOW + FRESH_S)


def test_a_question_for_another_host_is_not_answered() -> None:
    with pytest.raises(NotSealed):
        Seals("secret").open(asked(receiver="b"), "a", NOW)


def test_what_was_asked_long_ago_takes_no_memory() -> None:
    seals = Seals("secret")
    for second in range(1000):
        sealed, _answer = seals.ask("a", b"", NOW + second)
        seals.open(sealed, "a", NOW + second)
    assert len(seals._asked) <= 2 * FRESH_S + 1


def test_parts_of_answers_can_be_neither_mixed_up_nor_told_of_another_question() -> None:
    seals = Seals("secret")
    (first, opening), (second, _) = (seals.ask("a", b"", NOW) for _ in range(2))
    parts = [seals.open(sealed, "a", NOW)[1].seal(b"part") for sealed in (second, first)]
    with pytest.raises(NotSealed):
        opening.open(parts[0])


def test_parts_of_an_answer_come_in_their_order() -> None:
    seals = Seals("secret")
    sealed, opening = seals.ask("a", b"", NOW)
    _content, answer = seals.open(sealed, "a", NOW)
    first, second = answer.seal(b"part"), answer.seal(b"part")
    assert opening.open(first) == b"part"
    with pytest.raises(NotSealed):
        opening.open(first)
    assert first != second
