"""`forensics analyze`: the whole examination, from a disputed image to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forensics import foreign, second
from forensics.cli import options
from forensics.cli.console import Console, loading
from forensics.defaults import SOURCE
from forensics.errors import SettingsError
from forensics.events import Emit, Event, duration
from forensics.path_names import folder_stem, too_long
from forensics.settings import PREDICTIONS, Settings, resolve


@click.command(short_help="Examine an image against a checkpoint and write the report.")
@click.argument("image", type=options.PATH, required=False)
@click.option("--resume", type=options.FOLDER, metavar="DIR", help="Go on with an examination that was stopped.")
@click.option(
    "--checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="Generator: diffusers folder, .safetensors file or hub id.",
)
@click.option(
    "--base", type=options.PLACE, metavar="DIR", help="Diffusers folder with what a single checkpoint file lacks."
)
@click.option("--prediction", type=click.Choice(PREDICTIONS), help="What the network predicts, where no file says it.")
@click.option("--size", type=int, metavar="PX", help="Native side of the checkpoint, where no file says it.")
@options.lora
@options.embedding
@click.option(
    "--original",
    "originals",
    multiple=True,
    type=options.READ,
    metavar="FILE",
    help="A work the claimant puts forward.",
)
@click.option("--caption", "captions", multiple=True, metavar="TEXT", help="A caption of the work, tried as a prompt.")
@click.option("--reworded", multiple=True, metavar="TEXT", help="The caption in other words; tried, and not ranked.")
@click.option("--generic", multiple=True, metavar="TEXT", help="Words for many such pictures; tried, and not ranked.")
@click.option("--index", type=options.PLACE, metavar="DIR", help="Training index of the checkpoint.")
@click.option(
    "--controls",
    type=options.PLACE,
    metavar="DIR",
    help="Works known not to be in the training set, with controls.csv.",
)
@click.option(
    "--validation",
    type=options.PLACE,
    metavar="FILE",
    help="Validation record of the checkpoint, from `forensics validate`.",
)
@click.option(
    "--control-checkpoint",
    type=options.PLACE,
    metavar="PATH_OR_ID",
    help="A checkpoint that cannot have seen the work.",
)
@click.option(
    "--autoencoder",
    "autoencoders",
    type=options.PLACE,
    multiple=True,
    metavar="PATH_OR_ID",
    help="An autoencoder of another generator, to try beside the checkpoint's own.",
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Take the most searched profile that is expected to fit, instead of naming one.",
)
@options.no_defaults
@click.option("--remember", is_flag=True, help="Keep what belongs to the checkpoint for later cases.")
@click.option("--yes", is_flag=True, help="Begin without asking, however long it is expected to take.")
@options.examination
@click.pass_obj
def analyze(
    console: Console,
    /,
    image: Path | None,
    resume: Path | None,
    case_file: Path | None,
    out: Path | None,
    force: bool,
    max_minutes: float | None,
    no_defaults: bool,
    remember: bool,
    yes: bool,
    **flags: Any,
) -> None:
    """Examine IMAGE and write a case folder with its report.

    Without a checkpoint, in the flags or in the case file, the embedded demonstration checkpoint is examined, with the
    index and the controls that belong to it. The path of the PDF is written to standard output.

    Before it begins, the checkpoint is timed on this machine and the time that the examination will take is said; above
    an hour a person at a terminal is asked for --yes.

    What `forensics defaults` or --remember keeps for a checkpoint (index, controls, control checkpoint and the like) is
    used where it is named again, and the report says of each that it came from the configuration.
    """
    from forensics.folder import Ledger, settled, stops_on_record
    from forensics.stages.asked import asked_again, asked_for, decodes

    if max_minutes is not None and flags.get("profile"):
        raise SettingsError("--profile and --max-minutes exclude each other.", hint="Name one of the two.")
    if resume is not None:
        others = (image, case_file, out, max_minutes, *flags.values())
        if no_defaults or any(value not in (None, ()) for value in others):
            raise SettingsError("--resume takes no other settings.", hint="They are those of the stopped examination.")
        if settled(resume):
            with console.working():
                pdf = _finished(resume)
            console.result(pdf)
            return
        image, resolved, max_minutes = asked_again(resume)
        folder = resume
    elif image is None:
        raise SettingsError("No image was named.", hint=_EXAMPLES)
    else:
        resolved = resolve(flags, case_file, remembered=not no_defaults)
        folder = case_folder(image, out)
    options.say_remembered(console, [row.name for row in resolved.rows if row.source == SOURCE])
    if resolved.settings.checkpoint is None:
        console.note(
            "Demonstration checkpoint: no checkpoint was named, so the small one that ships with forensics is "
            "examined. The report says so on every page."
        )
    console.folder = folder
    with console.working():
        decodes(resolved.settings, image, *map(Path, resolved.settings.originals))
        asked = asked_for(image, resolved, max_minutes)
        ledger = Ledger(folder, force=force, asked=asked, resume=resume is not None)
        with stops_on_record(ledger):
            with loading():
                from forensics import examination, planning
            emit = ledger.watched(console.emit)
            if resume is None or max_minutes is not None:
                ahead = planning.outlook(image, resolved.settings, emit, deepest=max_minutes is not None)
                plan = ahead.forecasts[resolved.settings.profile]
                if max_minutes is not None:
                    plan = ahead.deepest(max_minutes)
                    resolved = planning.chosen(resolved, plan.profile, max_minutes)
                    ledger.ask(asked_for(image, resolved))
                if not console.json:
                    console.note(plan.sentence)
                if resume is None and console.attended and not yes and plan.minutes > planning.ASK_ABOVE_MINUTES:
                    raise SettingsError(
                        f"The examination is expected to take {duration(plan.seconds)}.",
                        hint="Pass --yes to begin, or --max-minutes N or --profile quick for a shorter one.",
                    )
                emit = planning.Clock(plan, console.emit)
            pdf = examination.analyze(image, folder, resolved, emit=_getting_ready(emit), ledger=ledger)
        if remember:
            kept(resolved.settings, console)
    console.result(pdf)


def _getting_ready(emit: Emit) -> Emit:
    """Passes events on; at the last of the long stages the process is begun that draws reports, so that it has loaded
    what it needs when the case is frozen."""

    def told(event: Event) -> None:
        if event.stage == "style":
            second.begin(second.DRAUGHTSMAN)
        emit(event)

    return told


_EXAMPLES = (
    "Name the disputed image, or --resume DIR. Three examples:\n"
    "forensics analyze disputed.png\n"
    "    tries the small demonstration checkpoint;\n"
    "forensics analyze disputed.png --checkpoint models/generator --original work.png\n"
    "    asks whether that generator gives out the work;\n"
    "forensics analyze disputed.png --checkpoint models/generator --original work.png --controls controls\n"
    "    also ranks the work among others that the generator never saw."
)


def kept(settings: Settings, console: Console) -> None:
    """Keep what belongs to the checkpoint and say so."""
    from forensics import defaults
    from forensics.stages import belonging

    entry = belonging.remember(settings)
    console.note(f"Remembered for {entry.checkpoint} in {defaults.path()}: {', '.join(entry.places)}.")


def _finished(folder: Path) -> Path:
    """The report of a case that was frozen before the stop, or the statement that nothing is left to be done."""
    from forensics import documents

    return documents.finish(folder)


def case_folder(image: Path, out: Path | None) -> Path:
    """Where the case goes. Raises SettingsError if that would move or enclose the input."""
    folder = out if out is not None else default_folder(image, "case")
    if part := too_long(folder):
        raise SettingsError(
            f"The case folder would be called {part[:60]}…, which is longer than file systems take.",
            hint="Give a shorter name with -o.",
        )
    if foreign.resolved(image).is_relative_to(foreign.resolved(folder)):
        raise SettingsError(
            f"{image} lies inside the case folder {folder}.", hint="Choose a folder with -o that does not hold it."
        )
    return folder


def default_folder(named: Path, kind: str) -> Path:
    """The folder that is made where none is named, in the present one: called after the file, and what it is."""
    return Path(f"{folder_stem(named)}-{kind}")
