"""Commands loaded by name, and the one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import click

from forensics.cli.console import Console
from forensics.errors import ExitCode, ForensicsError
from forensics.registry import Registry


class Commands(click.Group):
    """A group whose commands are rows of a table; a command is imported when it is asked for."""

    def __init__(self, *, rows: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._rows: Registry[click.Command] = Registry("command", rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if ctx.resilient_parsing and cmd_name not in self._rows:
            return None  # completion of a word that is not finished
        return self._rows.load(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        console = ctx.ensure_object(Console)
        try:
            return super().invoke(ctx)
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
        except Exception as exc:
            code = ExitCode.INTERNAL
            hint = "Run the command again with -v and send what it prints to the maintainers."
            console.failed(f"Unexpected {type(exc).__name__}: {exc}", hint, code)
            if console.verbosity > 0:
                console.write(traceback.format_exc().rstrip())
        raise click.exceptions.Exit(int(code))


def _kept(console: Console) -> str:
    if console.folder is None or not console.folder.exists():
        return ""
    return f"The folder {console.folder} keeps what was gathered; pass --force to keep it aside and start anew."
