"""What Perl, in which os-autoinst is written, takes for true.

Pure module: no sockets, no Flask, no database, no clock.
"""


def is_true(value: object) -> bool:
    """Tell whether it is none of 0, "0", "", undef and false."""
    return value not in (0, "0", "", None, False)
