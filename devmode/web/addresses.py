"""How addresses are read."""

from werkzeug.routing import IntegerConverter


class Digits(IntegerConverter):
    """A number in the digits that our links have; werkzeug takes those of every script."""

    regex = "[0-9]+"
