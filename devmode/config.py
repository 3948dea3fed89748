"""Settings: read once at the start from the environment and `instance/config.toml`.

A wrong setting stops the start with a sentence that names it (`WrongSetting`).
"""

import math
import os
import re
import secrets
import socket
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import msgspec

PREFIX = "DEVMODE_"
SHORTEST_SECRET = 16
MOST_WORKERS = 64
ALIKE = 0.8
"""How much a variable has to look like a setting to be taken for a misspelled one, from 0 to 1."""
LOG_FORMATS = ("text", "json")
QUITS = ("release", "cancel")
DATABASES = ("sqlite:", "postgresql:", "postgresql+psycopg:")
LEAST = {"link_linger_s": 0, "away_after_s": 0, "kept_days": 0, "kept_megabytes": 0}
"""Of the settings that are numbers; all others are at least 1."""
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class WrongSetting(Exception):
    """A setting that devmode can't start with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
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
    needle_directories: str = ""
    """Globs of folders that needles may be saved into, without symlinks, separated by `:`."""
    secret_key: str = ""
    """Signs cookies and forms; empty means one made at the first start and kept in `instance/`."""
    start_code: str = ""
    """What one must know to sign in; empty means a new one at each start, printed there."""
    allowed_hosts: str = ""
    """Host names that browsers may use, separated by `,`, besides those of the loopback."""
    openqa_url: str = ""
    """The openQA, or several separated by `,`, whose jobs and users are known here."""
    openqa_key: str = ""
    """API key for the openQA, the first if there are several; empty means that of `client.conf`."""
    openqa_secret: str = ""
    """The secret that belongs to `openqa_key`."""
    command_server_hosts: str = ""
    """Hosts that openQA may send links to, separated by `,`: names with `*`, addresses, networks;
    empty means openQA's own."""
    openqa_sign_in: bool = True
    """Whether visitors who are signed in to an openQA of the same host name are so here too."""
    host: str = ""
    """Name of this machine among several; empty means its host name."""
    internal_address: str = ""
    """Where the other hosts reach this one, as `HOST:PORT`; empty where there are none."""
    link_linger_s: float = 10.0
    """How long a link stays open after the last viewer of its job has gone, in seconds."""
    away_after_s: float = 600.0
    """How long a paused job waits for an owner without an open tab before others may take over."""
    host_away_hours: float = 24.0
    """How long the host of a job may be away until the job is told as ended, in hours."""
    log_format: str = "text"
    """How the log is written: `text` for people, `json` for programs."""
    login_lifetime_s: float = 12 * 3600.0
    """How long a sign-in lasts, in seconds."""
    kept_directory: str = ""
    """Where what is kept of ended jobs lies; empty means `instance/kept`."""
    kept_days: float = 30.0
    """How long ended jobs are kept, in days."""
    kept_megabytes: float = 20.0
    """How much of what the modules of one job recorded is kept, in megabytes: steps first, then
    screenshots of what failed."""
    streams: int = 3000
    """How many event streams one process serves at once; more are told to come back later."""
    https: bool = False
    """Whether browsers come by HTTPS, through a proxy: cookies are for it alone then."""
    openqa_websockets_url: str = "http://127.0.0.1:9527"
    """Where openQA's websocket server is, which tells a worker that its job is controlled."""
    openqa_worker_keys: str = ""
    """The API keys of openQA's workers, as `KEY:SECRET` and separated by `,`: who may tell how far
    uploads are."""
    openqa_quit: str = "release"
    """What becomes of a job when openQA's page quits its session: `release`, or `cancel` as in
    openQA."""
    proxy_secret: str = ""
    """What a proxy that signs people in sends along with their names; empty where none does."""
    metrics_token: str = ""
    """What one must send as a bearer token to read `/metrics` from elsewhere than this machine."""
    streams_per_login: int = 32
    """How many event streams one signed-in browser, or one token, may hold open at once."""
    sign_in_attempts_per_minute: int = 10
    """How many wrong start codes, and how many wrong tokens, one address may try."""
    api_requests_per_minute: int = 1200
    """How many requests one token may make."""

    def __repr__(self) -> str:
        """Tell no secret, wherever a traceback or a log may show it."""
        return "Settings(…)"

    @property
    def pool_globs(self) -> tuple[str, ...]:
        """The pool directories' globs, in order."""
        return tuple(glob for glob in self.pool_directories.split(":") if glob)

    @property
    def needle_globs(self) -> tuple[str, ...]:
        """The globs of the folders for needles, in order."""
        return tuple(glob for glob in self.needle_directories.split(":") if glob)

    @property
    def openqa_urls(self) -> tuple[str, ...]:
        """The URLs of the openQA instances, in order."""
        return _listed(self.openqa_url)

    @property
    def host_patterns(self) -> tuple[str, ...]:
        """What `command_server_hosts` names, in order."""
        return _listed(self.command_server_hosts)

    @cached_property
    def worker_keys(self) -> dict[str, str]:
        """The secrets of openQA's workers by their keys."""
        pairs = (pair.partition(":") for pair in _listed(self.openqa_worker_keys))
        return {key: secret for key, _colon, secret in pairs if key and secret}

    @cached_property
    def trusted_hosts(self) -> tuple[str, ...]:
        """Host names that a request may carry: the guard against DNS rebinding."""
        return *LOOPBACK_HOSTS, *_listed(self.allowed_hosts.lower())

    def trusts(self, host: str) -> bool:
        """Tell whether a `Host` header, `NAME`, `NAME:PORT` or `[IPV6]:PORT`, names this site.

        A trusted host that begins with a dot stands for all below it, too, as in Werkzeug, whose
        own check takes no IPv6 address.
        """
        name = (host if host.endswith("]") else host.rpartition(":")[0] or host).lower()
        return any(
            name == trusted.removeprefix(".") or (trusted[0] == "." and name.endswith(trusted))
            for trusted in self.trusted_hosts
        )


_NAMES = frozenset(field.name for field in msgspec.structs.fields(Settings))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def load(environment: Mapping[str, str], instance: Path) -> Settings:
    """Return the settings that are `chosen`, and make what has to be for those that are not.

    Keeps the secret key that it makes. Raises `WrongSetting`.
    """
    settings = chosen(environment, instance)
    return msgspec.structs.replace(
        settings,
        database_url=settings.database_url or f"sqlite:///{instance / 'devmode.sqlite'}",
        secret_key=settings.secret_key or kept_secret(instance / "secret-key"),
        # Never empty: an empty code would let everybody in.
        start_code=settings.start_code or secrets.token_urlsafe(9),
        kept_directory=settings.kept_directory or str(instance / "kept"),
        host=settings.host or socket.gethostname(),
    )


def chosen(environment: Mapping[str, str], instance: Path) -> Settings:
    """Merge defaults, `instance/config.toml` and the environment, the latter winning.

    Raises `WrongSetting`.
    """
    values = _from_file(instance / "config.toml") | _from_environment(environment)
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise WrongSetting(f"A setting of devmode is wrong: {error}.") from error
    _check_address("BIND", settings.bind)
    if settings.internal_address:
        _check_internal(settings)
    _check_database(settings.database_url)
    _check_needles(settings.needle_globs)
    _check_openqa(settings.openqa_urls)
    if bool(settings.openqa_key) != bool(settings.openqa_secret):
        raise WrongSetting("DEVMODE_OPENQA_KEY and DEVMODE_OPENQA_SECRET belong together.")
    if settings.workers > MOST_WORKERS:
        raise WrongSetting(f"DEVMODE_WORKERS is {settings.workers}; {MOST_WORKERS} will do.")
    if settings.log_format not in LOG_FORMATS:
        raise WrongSetting(f"DEVMODE_LOG_FORMAT is one of {', '.join(LOG_FORMATS)}.")
    _check_limits(settings)
    _check_livehandler(settings)
    _check_proxy(settings.proxy_secret)
    return settings


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
    except OSError as error:
        raise WrongSetting(f"{path} can't be read: {error.strerror}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    ours = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    for name in ours.keys() - _NAMES:
        _check_misspelling(name)
    return {name: value for name, value in ours.items() if name in _NAMES}


def _check_misspelling(name: str) -> None:
    """Refuse what is nearly a setting; containers get variables after the names of services."""
    meant = get_close_matches(name, _NAMES, n=1, cutoff=ALIKE)
    if meant:
        raise WrongSetting(
            f"{PREFIX}{name.upper()} is no setting; is {PREFIX}{meant[0].upper()} meant?"
        )


def _check_database(url: str) -> None:
    if url and not url.startswith(DATABASES):
        # The URL may hold a password.
        raise WrongSetting(
            "DEVMODE_DATABASE_URL must begin with sqlite:/// or with postgresql+psycopg://."
        )


def _check_proxy(secret: str) -> None:
    if secret and (len(secret) < SHORTEST_SECRET or not secret.isascii()):
        raise WrongSetting(
            f"DEVMODE_PROXY_SECRET needs at least {SHORTEST_SECRET} characters of ASCII: whoever"
            " guesses it is anybody."
        )


def _check_needles(globs: tuple[str, ...]) -> None:
    for glob in globs:
        if not glob.startswith("/") or {"..", "**", ""} & set(glob.split("/")[1:]):
            raise WrongSetting(
                f"DEVMODE_NEEDLE_DIRECTORIES names {glob!r}; it must be whole paths without “..”,"
                " “**” and “//”, several separated by “:”, as in /srv/tests/*/needles."
            )


def _check_openqa(urls: tuple[str, ...]) -> None:
    for url in urls:
        if not _is_plain_url(url):
            # It may hold a password, in a place that is none.
            raise WrongSetting(
                "DEVMODE_OPENQA_URL names one openQA or several, separated by “,”, each like"
                " https://openqa.example.org; names and passwords do not belong there."
            )


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(whole) and "@" not in parts.netloc and not (parts.query or parts.fragment)


def _check_address(name: str, address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (host and colon and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise WrongSetting(
            f"{PREFIX}{name} is {address!r}; it must be HOST:PORT, as in 127.0.0.1:8000."
        )


def _check_internal(settings: Settings) -> None:
    _check_address("INTERNAL_ADDRESS", settings.internal_address)
    host = settings.internal_address.rpartition(":")[0].strip("[]")
    try:
        network_address = ip_address(host)
    except ValueError:
        network_address = None
    if network_address is None or network_address.is_unspecified:
        raise WrongSetting(
            f"DEVMODE_INTERNAL_ADDRESS is {settings.internal_address!r}; it must be the network"
            " address by which the other hosts reach this one, as in 192.0.2.7:8100."
        )
    if not settings.secret_key:
        raise WrongSetting(
            "DEVMODE_INTERNAL_ADDRESS needs a DEVMODE_SECRET_KEY, the same on every host: by it"
            " hosts know each other."
        )


def _check_livehandler(settings: Settings) -> None:
    if not re.fullmatch(r"( *\w+:\w+ *(,|$))*", settings.openqa_worker_keys, re.ASCII):
        # It holds secrets.
        raise WrongSetting("DEVMODE_OPENQA_WORKER_KEYS must be KEY:SECRET, several separated by ,.")
    if settings.openqa_quit not in QUITS:
        raise WrongSetting(f"DEVMODE_OPENQA_QUIT is one of {', '.join(QUITS)}.")
    url = settings.openqa_websockets_url
    if url and not re.fullmatch(r"https?://[^/?#@\s]+", url):
        raise WrongSetting(
            f"DEVMODE_OPENQA_WEBSOCKETS_URL is {url!r}; it must be as http://127.0.0.1:9527."
        )


def _check_limits(settings: Settings) -> None:
    for name, limit in msgspec.structs.asdict(settings).items():
        least = LEAST.get(name, 1)
        if type(limit) in (int, float) and not least <= limit < math.inf:
            raise WrongSetting(f"{PREFIX}{name.upper()} is {limit}; it must be at least {least}.")
