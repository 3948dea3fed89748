"""The command that makes a needle."""

import click

from devmode.cli.jobs import client, find, job_argument

SIDES = ("xpos", "ypos", "width", "height")
FIELDS = (*SIDES, "type", "match")
METAVAR = "X,Y,WIDTH,HEIGHT[,TYPE[,MATCH]]"


class Area(click.ParamType[dict[str, int | str]]):
    """An area as people write it: four numbers, then its type and how similar it has to be."""

    name = "area"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int | str]:
        """See `click.ParamType`."""
        words = value.split(",")
        if not len(SIDES) <= len(words) <= len(FIELDS):
            self.fail(f"{value} is not {METAVAR}.", param, ctx)
        area = dict(zip(FIELDS, words, strict=False))
        try:
            return {name: text if name == "type" else int(text) for name, text in area.items()}
        except ValueError:
            self.fail(f"{value} is not {METAVAR}.", param, ctx)


@click.command()
@job_argument
@click.argument("name")
@click.option("--tag", "tags", multiple=True, required=True, help="Tests look for it.")
@click.option(
    "--area",
    "areas",
    multiple=True,
    required=True,
    type=Area(),
    metavar=METAVAR,
    help="In pixels; TYPE is match, exclude or ocr, MATCH is in percent.",
)
@click.option("--screenshot", metavar="FILE.png", help="Of the results of the job.")
def needle(
    job: str,
    name: str,
    tags: tuple[str, ...],
    areas: tuple[dict[str, int | str], ...],
    screenshot: str | None,
) -> None:
    """Save a needle NAME, of the screen that no needle matched.

    isotovideo loads it when it is resumed. --screenshot names another picture.

    \b
    Example:
      devmode needle 17 login-20260801 --tag login --area 200,10,320,30 && devmode resume 17
    """
    body = {"name": name, "tags": tags, "areas": areas, "screenshot": screenshot}
    server = client()
    click.echo(server.do("POST", find(server, job).id, "needles", body).message)
