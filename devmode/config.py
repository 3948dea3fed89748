"""Settings: read once at the start from the environment and `instance/config.toml`.

A wrong setting stops the start with a sentence that names it (`WrongSetting`).
"""

import os
import re
import secrets
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec

PREFIX = "DEVMODE_"
MOST_WORKERS = 64
LOG_FORMATS = ("text", "json")
DATABASES = ("sqlite:", "postgresql:", "postgresql+psycopg:")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class WrongSetting(Exception):
    """A setting that devmode can't start with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting; the environment name is the field's in capitals after `DEVMODE_`."""

    database_url: str = ""
    """SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`; empty means
    `instance/devmode.sqlite`."""
    workers: int = 1
    """How many processes serve on this address."""
    bind: str = "127.0.0.1:8000"
    """Address and port to serve on, as `HOST:PORT`."""
    pool_directories: str = ""
    """Globs of isotovideo's working directories, separated by `:`."""
    secret_key: str = ""
    """Signs cookies and forms; empty means one made at the first start and kept in `instance/`."""
    start_code: str = ""
    """What one must know to sign in; empty means a new one at each start, printed there."""
    allowed_hosts: str = ""
    """Host names that browsers may use, separated by `,`, besides those of the loopback."""
    host: str = ""
    """Name of this machine among several; empty means its host name."""
    link_linger_s: float = 10.0
    """How long a link stays open after the last viewer of its job has gone, in seconds."""
    away_after_s: float = 600.0
    """How long a paused job waits for an owner without an open tab before others may take over."""
    log_format: str = "text"
    """How the log is written: `text` for people, `json` for programs."""
    login_lifetime_s: float = 12 * 3600.0
    """How long a sign-in lasts, in seconds."""
    kept_directory: str = ""
    """Where what is kept of ended jobs lies; empty means `instance/kept`."""
    kept_days: float = 30.0
    """How long ended jobs are kept, in days."""
    streams: int = 3000
    """How many event streams one process serves at once; more are told to come back later."""
    https: bool = False
    """Whether browsers come by HTTPS, through a proxy: cookies are for it alone then."""
    metrics_token: str = ""
    """What one must send as a bearer token to read `/metrics` from elsewhere than this machine."""
    streams_per_login: int = 32
    """How many event streams one signed-in browser, or one token, may hold open at once."""
    sign_in_attempts_per_minute: int = 10
    """How many wrong start codes, and how many wrong tokens, one address may try."""
    api_requests_per_minute: int = 1200
    """How many requests one token may make."""

    @property
    def pool_globs(self) -> tuple[str, ...]:
        """The pool directories' globs, in order."""
        return tuple(glob for glob in self.pool_directories.split(":") if glob)

    @property
    def trusted_hosts(self) -> list[str]:
        """Host names that a request may carry: the guard against DNS rebinding."""
        named = [name.strip() for name in self.allowed_hosts.split(",") if name.strip()]
        return [*LOOPBACK_HOSTS, *named]


def load(environment: Mapping[str, str], instance: Path) -> Settings:
    """Merge defaults, `instance/config.toml` and the environment, the latter winning.

    Makes the secret key on the first start. Raises `WrongSetting`.
    """
    values = _from_file(instance / "config.toml") | _from_environment(environment)
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise WrongSetting(f"A setting of devmode is wrong: {error}.") from error
    _check_bind(settings.bind)
    _check_database(settings.database_url)
    if not 0 < settings.workers <= MOST_WORKERS:
        raise WrongSetting(f"DEVMODE_WORKERS is {settings.workers}; 1 to {MOST_WORKERS} will do.")
    if settings.log_format not in LOG_FORMATS:
        raise WrongSetting(f"DEVMODE_LOG_FORMAT is one of {', '.join(LOG_FORMATS)}.")
    _check_limits(settings)
    return msgspec.structs.replace(
        settings,
        database_url=settings.database_url or f"sqlite:///{instance / 'devmode.sqlite'}",
        secret_key=settings.secret_key or kept_secret(instance / "secret-key"),
        # Never empty: an empty code would let everybody in.
        start_code=settings.start_code or secrets.token_urlsafe(9),
        kept_directory=settings.kept_directory or str(instance / "kept"),
        host=settings.host or socket.gethostname(),
    )


def kept_secret(path: Path) -> str:
    """Return the secret kept in `path`, made on first use and readable only by its owner."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Linked into place when it is whole: another process may start at the same moment.
        with NamedTemporaryFile("w", dir=path.parent) as draft:
            draft.write(secrets.token_urlsafe(32))
            draft.flush()
            os.link(draft.name, path)
    except FileExistsError:
        if not path.is_file():
            raise WrongSetting(
                f"devmode keeps its secrets in {path}, which can't be written."
            ) from None
    except OSError as error:
        raise WrongSetting(
            f"devmode keeps its secrets in {path.parent}, which can't be written: {error.strerror}."
        ) from error
    return path.read_text()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{path} is not valid TOML: {error}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() in _NAMES
    }


_NAMES = frozenset(field.name for field in msgspec.structs.fields(Settings))


def _check_database(url: str) -> None:
    if url and not url.startswith(DATABASES):
        # The URL may hold a password.
        raise WrongSetting(
            "DEVMODE_DATABASE_URL must begin with sqlite:/// or with postgresql+psycopg://."
        )


def _check_bind(bind: str) -> None:
    host, colon, port = bind.rpartition(":")
    if not (host and colon and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise WrongSetting(f"DEVMODE_BIND is {bind!r}; it must be HOST:PORT, as in 127.0.0.1:8000.")


def _check_limits(settings: Settings) -> None:
    for name in ("streams_per_login", "sign_in_attempts_per_minute", "api_requests_per_minute"):
        if getattr(settings, name) < 1:
            raise WrongSetting(f"{PREFIX}{name.upper()} must be at least 1.")
