"""Commands loaded by name, and the one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from typing import Any

import click

from forensics.cli import examples
from forensics.cli.console import Console
from forensics.errors import ExitCode, ForensicsError
from forensics.path_names import printable
from forensics.registry import Registry


class Commands(click.Group):
    """A group whose commands are rows of a table; a command is imported when it is asked for."""

    def __init__(self, *, rows: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.table: Registry[click.Command] = Registry("command", rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if ctx.resilient_parsing and cmd_name not in self.table:
            return None  # completion of a word that is not finished
        command = self.table.load(cmd_name)
        examples.put_into(command, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        console = ctx.ensure_object(Console)
        try:
            return super().invoke(ctx)
        except click.UsageError as exc:
            exc.show()
            if lines := examples.of(exc.ctx):
                click.echo(examples.shown(lines), err=True)
            raise click.exceptions.Exit(exc.exit_code) from exc
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click's own: usage errors end with 2, a closed pipe with 1
        except ForensicsError as exc:
            code = exc.exit_code
            console.failed(exc.message, exc.hint, code)
        except (KeyboardInterrupt, click.Abort):
            code = ExitCode.INTERRUPTED
            console.failed("Interrupted.", _kept(console), code)
        except MemoryError:
            code = ExitCode.MEMORY
            console.failed("This machine ran out of memory.", "Close other programs, or use --profile quick.", code)
        except (OSError, UnicodeEncodeError) as exc:
            code, message, hint = _of_names(exc)
            console.failed(message, hint, code)
            if code is ExitCode.INTERNAL and console.verbosity > 0:
                console.write(traceback.format_exc().rstrip())
        except Exception as exc:
            code = ExitCode.INTERNAL
            console.failed(printable(f"Unexpected {type(exc).__name__}: {exc}"), _SEND, code)
            if console.verbosity > 0:
                console.write(traceback.format_exc().rstrip())
        raise click.exceptions.Exit(int(code))


_SEND = "Run the command again with -v and send what it prints to the maintainers."


def _of_names(exc: OSError | UnicodeEncodeError) -> tuple[ExitCode, str, str]:
    """(code, message, hint) of a name that the system or a document does not take; else of something unexpected."""
    if isinstance(exc, OSError) and exc.errno == errno.ENAMETOOLONG:
        name = printable(str(exc.filename or "A name"))
        return (
            ExitCode.USAGE,
            f"{name[:60]}… is longer than file systems take.",
            "Rename it, or give a shorter path.",
        )
    if isinstance(exc, UnicodeEncodeError) and exc.reason.startswith("surrogates"):
        name = printable(str(exc.object))[:120]
        return ExitCode.USAGE, f"{name} holds bytes that are no UTF-8.", "Rename the file or folder and run again."
    return ExitCode.INTERNAL, printable(f"Unexpected {type(exc).__name__}: {exc}"), _SEND


def _kept(console: Console) -> str:
    if console.folder is None or not console.folder.exists():
        return console.kept
    return (
        f"The folder {console.folder} keeps what was gathered: `forensics analyze --resume` goes on with it, --force "
        "keeps it aside and starts anew."
    )
