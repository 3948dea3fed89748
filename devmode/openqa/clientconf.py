"""Finds the API key for an openQA in `client.conf`, where its own clients have it too."""

import configparser
import os
from pathlib import Path
from urllib.parse import urlsplit

from devmode.openqa.signing import Credentials

FILE = "client.conf"
SYSTEM_FOLDER = Path("/etc/openqa")


class UnreadableClientConf(Exception):
    """A `client.conf` that can't be understood; the text is a sentence without what it holds."""


def places(environment: dict[str, str]) -> tuple[Path, ...]:
    """Return where openQA's clients look for the file, the first that exists counts."""
    home = Path(environment.get("HOME", "/nonexistent"))
    own = Path(environment.get("OPENQA_CONFIG") or home / ".config/openqa")
    return own / FILE, SYSTEM_FOLDER / FILE


def credentials_for(url: str, files: tuple[Path, ...]) -> Credentials | None:
    """Return the key and secret for the openQA at `url`, None where no file has them.

    A section is named by host and port, or by the host alone. Raises `UnreadableClientConf`.
    """
    file = next((file for file in files if os.access(file, os.R_OK)), None)
    if file is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(file.read_text())
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise UnreadableClientConf(
            f"{file} can't be read as openQA's clients do ({type(error).__name__})."
        ) from None
    parts = urlsplit(url)
    for section in (parts.netloc, parts.hostname or ""):
        key = parser.get(section, "key", fallback="").strip()
        secret = parser.get(section, "secret", fallback="").strip()
        if key and secret:
            return Credentials(key, secret)
    return None
