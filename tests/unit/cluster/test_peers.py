"""What another host refuses."""

import msgspec

from devmode.cluster.peers import Refusal


def test_a_refusal_without_a_field_is_read_by_a_process_from_before_there_were_fields() -> None:
    said = Refusal("job_not_found", "There is no such job.").encode()
    assert msgspec.msgpack.decode(said, type=tuple[str, str])[0] == "job_not_found"


def test_a_refusal_names_its_field() -> None:
    refusal = Refusal("invalid_command", "There is a needle x already.", "name")
    error = msgspec.msgpack.decode(refusal.encode(), type=Refusal).error()
    assert (error.code, error.sentence, error.field) == msgspec.structs.astuple(refusal)
