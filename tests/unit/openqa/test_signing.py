from devmode.openqa.signing import Credentials, signature


def test_openqa_reckons_the_same_hash() -> None:
    # As a real openQA reckoned it.
    headers = signature(Credentials("KEY", "EXCALIBUR"), "/api/v1/jobs?state=running", 1700000000)
    assert headers == {
        "X-API-Key": "KEY",
        "X-API-Microtime": "1700000000",
        "X-API-Hash": "ecbd15e56b6c78f6bb489b207eca686368811802",
    }


def test_a_space_is_hashed_as_a_plus() -> None:
    credentials = Credentials("KEY", "SECRET")
    assert signature(credentials, "/a?b=c%20d", 1) == signature(credentials, "/a?b=c+d", 1)


def test_a_secret_does_not_show_itself() -> None:
    assert "EXCALIBUR" not in repr(Credentials("KEY", "EXCALIBUR"))
