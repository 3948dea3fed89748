"""The signed cookie of a browser, which is as old as the database says."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature


class Cookies(SecureCookieSessionInterface):
    """Leaves the age of a cookie to the login that it names.

    Flask compares the time in the cookie with this host's clock, and takes one that another host
    with a clock a second ahead has made for a forged one.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the cookie holds, nothing if it has not been signed here."""
        serializer = self.get_signing_serializer(app)
        value = request.cookies.get(self.get_cookie_name(app))
        if serializer is None or not value:
            return super().open_session(app, request)
        try:
            return self.session_class(serializer.loads(value))
        except BadSignature:
            return self.session_class()
