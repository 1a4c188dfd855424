"""``tidegate models``: Detoxify's own models beside the bundled one: bring them in, and say which judges."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from moderation.commands.shell import BY, DOWN, FINDING, USAGE, Fault, Shell, present, shelled, table
from moderation.scoring.catalog import ModelMissing, Shelf
from moderation.scoring.choice import BUNDLED, ENGINES, BadChoice, Chosen
from moderation.services import choosing, fetching, sites

THE_INSTALLATIONS = "default"
"""Word for following the installation's choice, or for running nothing beside."""


@click.group()
def models() -> None:
    """Bring in Detoxify's own models, and choose what judges."""


@models.command()
@click.argument("name", type=click.Choice(list(fetching.SOURCES)))
@click.option("--from", "origin", metavar="PATH", help="The checkpoint's file, a folder with all files, or a mirror's address.")
@click.option("--base", metavar="PATH", help="Folder or address of the base model's config and tokenizer.")
@click.option("--sha256", metavar="HEX", help="What the checkpoint's SHA-256 has to be.")
@click.option("--accept-unpinned", is_flag=True, help="Take the checkpoint without knowing its SHA-256; prints the one it has.")
@shelled
def fetch(shell: Shell, name: str, *, origin: str | None, base: str | None, sha256: str | None, accept_unpinned: bool) -> None:
    """Bring in the model NAME, export it to ONNX int8 and hold the export against Detoxify itself."""
    if sha256 is not None and (len(sha256) != 64 or not all(char in "0123456789abcdefABCDEF" for char in sha256)):
        raise Fault("--sha256 takes all 64 hex digits", USAGE)
    asked = fetching.Request(name=name, origin=origin, base=base, sha256=sha256, unpinned=accept_unpinned)
    try:
        made = fetching.fetch(asked, shell.settings.models_folder, bar=_bar, say=shell.note)
    except fetching.FetchFailed as error:
        raise Fault(str(error), FINDING) from error
    except ModuleNotFoundError as error:
        raise Fault(f"this needs the extra `detoxify` (pip install 'tidegate[detoxify]'): no {error.name}", DOWN) from error
    parity = made.parity
    answer = {
        "model": name,
        "folder": str(made.folder),
        "sha256": made.sha256,
        "largest_difference": parity.most,
        "mean_difference": parity.mean,
        "rank_correlation": parity.rank_correlation,
    }
    shell.show(
        answer,
        [f"{name} is installed, SHA-256 {made.sha256}", str(parity), f"next: tidegate models use {name} [--site NAME]"],
    )


@models.command()
@click.argument("name")
@click.option("--site", metavar="NAME", help="For this site; otherwise for all that choose nothing themselves.")
@click.option("--engine", type=click.Choice(ENGINES), default="onnx", show_default=True, help="What runs it.")
@click.option("--version", metavar="VERSION", help="The version it has to have: with another one, comments go to a human.")
@click.option("--pin", is_flag=True, help="The same, with the version that is installed now.")
@click.option("--beside", is_flag=True, help="Only write its scores down, beside the model that decides.")
@shelled
def use(shell: Shell, name: str, *, site: str | None, engine: str, version: str | None, pin: bool, beside: bool) -> None:
    """Let the model NAME judge; `bundled` is the one that comes along, `default` takes a site's own choice back."""
    shelf = Shelf(shell.settings.models_folder)
    if beside and site is None:
        raise Fault("--beside is for one site: name it with --site", USAGE)
    try:
        chosen = None if name == THE_INSTALLATIONS else Chosen(name, engine, version)
    except BadChoice as error:
        raise Fault(f"{error}", USAGE) from error
    if chosen is not None:
        # Tried here, so that a slip of the pen does not put every comment before a human.
        found = _tried(shelf, chosen)
        if pin:
            chosen = Chosen(name, engine, found)
    if site is None:
        shelf.use(chosen or Chosen())
        label = (chosen or Chosen()).name
        shell.show({"site": None, "model": label}, [f"{label} judges where a site chooses nothing itself"])
        return
    place = site

    def unit(session: Session) -> None:
        site_id = sites.find(session, place).id
        if beside:
            choosing.run_beside(session, site_id, chosen, by=BY, now=shell.now)
        else:
            choosing.use(session, site_id, chosen, by=BY, now=shell.now)

    shell.database.transact(unit)
    what = "runs beside" if beside else "judges"
    said = f"{chosen.version or chosen.name} {what} at {site}" if chosen else f"{site} follows the installation again"
    shell.show({"site": site, "model": chosen.as_json() if chosen else None, "beside": beside}, [said])


@models.command(name="list")
@shelled
def list_(shell: Shell) -> None:
    """List the models that are installed, and where each is used."""
    folder = shell.settings.models_folder
    shelf = Shelf(folder)
    used: dict[str, list[str]] = {shelf.used().name: ["default"]}
    if present(shell.settings):
        with shell.database.reading() as session:
            for site in sites.everything(session):
                chosen = choosing.models(session, site.id)
                for one, mark in ((chosen.live, ""), (chosen.beside, " (beside)")):
                    if one is not None:
                        used.setdefault(one.name, []).append(f"{site.name}{mark}")
    there = {BUNDLED: {"name": BUNDLED, "sha256": None}} | {each["name"]: each for each in fetching.installed(folder)}
    answer = []
    for name in [*there, *(name for name in used if name not in there)]:
        version = _version(shelf, name)
        sha256 = there[name]["sha256"] if name in there else None
        answer.append({"model": name, "version": version, "sha256": sha256, "used": used.get(name, [])})
    rows = [(each["model"], each["version"] or "MISSING", each["sha256"], ", ".join(each["used"] or ())) for each in answer]
    shell.show(answer, table(("model", "version", "sha-256 of the checkpoint", "used by"), rows))


def _version(shelf: Shelf, name: str) -> str | None:
    try:
        return shelf.scorer(Chosen(name)).version
    except ModelMissing:
        return None


def _tried(shelf: Shelf, chosen: Chosen) -> str:
    scorer = shelf.scorer(chosen)
    scorer.score(["Thank you, I had not seen it that way."])
    return scorer.version


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int | None], None]]:
    with click.progressbar(length=0, label=label, file=sys.stderr) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.length = total or done
            bar.update(done - bar.pos)

        yield progress
