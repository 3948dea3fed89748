"""Which server to talk to, and by which token: from the environment or a file of one's own."""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

DEFAULT_URL = "http://127.0.0.1:8000"
VISIBLE = re.compile(r"[\x21-\x7e]+")
"""What a header and a request line can carry."""


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server and the token for it."""

    url: str = DEFAULT_URL
    token: str = ""


def access_from(environment: Mapping[str, str]) -> Access:
    """Return what `DEVMODE_URL` and `DEVMODE_TOKEN` say, else the file; raise `UsageError`."""
    path = config_path(environment)
    kept = _read(path)
    url = (environment.get("DEVMODE_URL") or kept.url).rstrip("/")
    # A token belongs to the server that it was made for: never send it to another one.
    mine = kept.token.strip() if url == kept.url.rstrip("/") else ""
    given = environment.get("DEVMODE_TOKEN", "").strip()
    token = given or mine
    _check_url(url)
    if not token:
        raise click.UsageError(
            f"There is no token for {url}. “devmode token create”, on the server, makes one;"
            f' put it into DEVMODE_TOKEN or, as token = "…" beside url = "…", into {path}.'
        )
    _check_token(token, "DEVMODE_TOKEN" if given else str(path))
    return Access(url=url, token=token)


def config_path(environment: Mapping[str, str]) -> Path:
    """Return where the file is, whether it exists or not."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "devmode" / "config.toml"


def _read(path: Path) -> Access:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise click.UsageError(
                    f"{path} holds a token and others can read it: chmod 600 {path}"
                )
            return msgspec.convert(tomllib.load(file), Access)
    except FileNotFoundError:
        return Access()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} can't be used: {error}") from error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_plain = VISIBLE.fullmatch(url) and "?" not in url and "#" not in url
        if is_plain and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass
    raise click.UsageError(
        f"{url!r} is no address of a server, as {DEFAULT_URL} is one: ASCII without “?” and “#”."
    )


def _check_token(token: str, place: str) -> None:
    """Raise `UsageError`, which does not tell the token: it may be one but for a character."""
    if not VISIBLE.fullmatch(token):
        raise click.UsageError(
            f"The token of {place} is none: it holds a space, a line break or a character beyond"
            " ASCII. Copy it again as “devmode token create” printed it."
        )
