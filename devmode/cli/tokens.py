"""The commands about API tokens; they work on the database, as whoever may read its file."""

import re
from datetime import datetime

import click
import msgspec

from devmode.cli.exits import FAILED, Failure
from devmode.cli.jobs import json_option
from devmode.cli.local import application
from devmode.cli.words import plain
from devmode.moment import moment
from devmode.sessions.tokens import TokenFacts, Tokens
from devmode.sessions.users import LONGEST_NAME, Role, is_name

UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86400.0}


class Lifetime(click.ParamType[float]):
    """How long a token is valid."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; see `click.ParamType`."""
        match = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", str(value))
        if match is None:
            self.fail("it is a number and one of m, h, d: 30m, 12h, 90d", param, ctx)
        return int(match[1]) * UNITS_S[match[2]]


class Token(msgspec.Struct, kw_only=True, frozen=True):
    """A token in JSON, with roles and times as the API spells them."""

    short_id: str
    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that the API asks for.

    \b
    Examples:
      devmode token create --name olivia --role operator --expires 90d
      devmode token list
      devmode token revoke olivia
    """


@token.command()
@click.option("--name", required=True, help="The developer for whom it acts.")
@click.option(
    "--role", required=True, type=click.Choice([role.label for role in Role]), help="What it may."
)
@click.option("--expires", type=Lifetime(), help="After which time, as 12h or 90d. Else never.")
def create(name: str, role: str, expires: float | None) -> None:
    """Make a token and print it, for the only time.

    \b
    Example:
      export DEVMODE_TOKEN=$(devmode token create --name olivia --role operator --expires 90d)
    """
    if not is_name(name):
        raise click.UsageError(f"A name has up to {LONGEST_NAME} printable characters.")
    # click.Choice lets no other label pass.
    click.echo(_tokens().create(name, Role.named(role) or Role.VIEWER, expires))


@token.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the tokens, revoked ones too; never the secrets, which nobody has.

    \b
    Examples:
      devmode token list
      devmode token list --json | jq '.[] | select(.revoked_at == null) | .name'
    """
    facts = _tokens().every()
    if as_json:
        click.echo(msgspec.json.encode([_told(each) for each in facts]))
        return
    for each in facts:
        click.echo(_line(each))


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke every token of this NAME, or the one of this id; their streams end at once.

    \b
    Examples:
      devmode token revoke olivia
      devmode token revoke 1f3a09bc
    """
    revoked = _tokens().revoke(name)
    if not revoked:
        raise Failure(f"There is no valid token {plain(name)}. See: devmode token list", FAILED)
    click.echo(f"Revoked {revoked} {'token' if revoked == 1 else 'tokens'}.")


def _tokens() -> Tokens:
    tokens: Tokens = application().extensions["devmode"].tokens
    return tokens


def _told(facts: TokenFacts) -> Token:
    return Token(
        short_id=facts.short_id,
        name=facts.name,
        role=facts.role.label,
        created_at=moment(facts.created_at),
        expires_at=_moment_if_any(facts.expires_at),
        last_used_at=_moment_if_any(facts.last_used_at),
        revoked_at=_moment_if_any(facts.revoked_at),
    )


def _line(facts: TokenFacts) -> str:
    used = f"last used {_shown(facts.last_used_at)}" if facts.last_used_at else "never used"
    if facts.revoked_at:
        validity = f"revoked {_shown(facts.revoked_at)}"
    elif facts.expires_at:
        validity = f"until {_shown(facts.expires_at)}"
    else:
        validity = "no end"
    made = f"made {_shown(facts.created_at)}"
    name = plain(facts.name)
    return f"{facts.short_id}  {facts.role.label:13}  {made}  {used}  {validity}  {name}"


def _shown(seconds: float) -> str:
    return moment(seconds).strftime("%Y-%m-%d %H:%M UTC")


def _moment_if_any(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
