from hypothesis import given
from hypothesis import strategies as st

from devmode.live.masking import Masker, TypedStrings

TOKEN = b"aab-aab"

CALL = b'[debug] <<< testapi::type_string(string="%s", max_interval=250, timeout=30)\n'


def tokens() -> st.SearchStrategy[bytes]:
    """Many that repeat parts of themselves."""
    return st.text("ab-", min_size=1, max_size=6).map(str.encode)


def cut(text: bytes, at: list[int]) -> list[bytes]:
    ends = [*sorted(end % (len(text) + 1) for end in at), len(text)]
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def masked(pieces: list[bytes], token: bytes = TOKEN, *, typed: bool = True) -> bytes:
    masker = Masker(token, TypedStrings() if typed else None)
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


@given(tokens(), st.lists(st.sampled_from([b"a", b"b", b"-", b"ab", b"\n", b" "])), st.data())
def test_no_token_gets_through_however_the_text_is_cut(
    token: bytes, parts: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(parts) + token
    pieces = cut(text, data.draw(st.lists(st.integers(0, 100), max_size=8)))
    result = masked(pieces, token)
    assert token not in result
    assert len(result) == len(text)
    assert result == masked([text], token)


@given(tokens(), st.binary(max_size=200))
def test_nothing_but_tokens_and_what_may_become_one_is_masked(token: bytes, text: bytes) -> None:
    result = masked([text], token, typed=False)
    unsure = len(token) - 1
    assert (
        result[: len(text) - unsure] == text.replace(token, b"*" * len(token))[: len(text) - unsure]
    )


SECRETS = st.text("ab\"'\\$ é", max_size=12)


@given(st.lists(st.tuples(SECRETS, st.sampled_from("\"'"))), st.lists(st.integers(0, 5000)))
def test_nothing_typed_gets_through_however_the_log_is_cut(
    calls: list[tuple[str, str]], at: list[int]
) -> None:
    text, expected = "", ""
    for secret, quote in calls:
        escaped = secret.replace("\\", "\\\\").replace(quote, f"\\{quote}")
        before = f"[debug] <<< consoles::serial_screen::type_string(max=0, text={quote}"
        text += f"{before}{escaped}{quote}, no={quote}shown{quote})\nnext line\n"
        stars = "*" * len(escaped.encode())
        expected += f"{before}{stars}{quote}, no={quote}shown{quote})\nnext line\n"
    assert masked(cut(text.encode(), at)).decode() == expected


@given(st.binary(), st.lists(st.integers(0, 5000)))
def test_any_bytes_are_masked_the_same_way_however_they_are_cut(
    noise: bytes, at: list[int]
) -> None:
    text = noise.join([b'<<< a::b(string="x', b"\\", b'y"', b"\n", b"cmd='z'"])
    assert masked(cut(text, at)) == masked([text])
    assert len(masked([text])) == len(text)


def test_what_a_function_of_the_shell_is_given_is_masked() -> None:
    line = b'<<< testapi::assert_script_run(quiet=undef, cmd="passwd -s \\"x\\"", timeout=90)\n'
    assert masked([line]) == line.replace(b'passwd -s \\"x\\"', b"*" * 15)


def test_only_calls_are_looked_into() -> None:
    line = b'the program said string="this" and cmd="that"\n'
    assert masked([line]) == line


def test_a_string_that_does_not_end_is_masked_to_the_end_of_its_line() -> None:
    text = b'<<< testapi::type_string(string="sec\nret\n'
    assert masked([text]) == b'<<< testapi::type_string(string="***\nret\n'


def test_the_beginning_of_a_token_waits_until_it_is_known_to_be_none() -> None:
    masker = Masker(TOKEN)
    assert masker.feed(b"x aab-") == b"x "
    assert masker.waiting == 4
    assert masker.feed(b"aax") == b"aab-aax"
    assert masker.waiting == 0


def test_a_token_that_is_never_whole_is_masked_in_the_end() -> None:
    assert masked([b"x " + TOKEN[:5]]) == b"x *****"


def test_those_who_may_see_it_see_what_was_typed() -> None:
    line = CALL % b"secret"
    assert masked([line], typed=False) == line
    assert b"secret" not in masked([line])
