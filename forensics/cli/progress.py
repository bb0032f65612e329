"""Events made visible: a bar per stage on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, Protocol

import click

from forensics.events import Event, duration

LINE_SECONDS = 10.0
"""A long stage says where it stands about this often when standard error is not a terminal."""


class Listener(Protocol):
    """Takes events; `pause` makes room for another line, `close` ends what is standing."""

    def __call__(self, event: Event) -> None: ...
    def pause(self) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Nothing at all."""

    def __call__(self, event: Event) -> None:
        return

    def pause(self) -> None:
        return

    def close(self) -> None:
        return


class Bars:
    """A bar per stage, drawn by click, with the time left for all stages, or without a plan for this one."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None
        self._left_s: float | None = None

    def __call__(self, event: Event) -> None:
        self._left_s = event.left_s
        if event.stage != self._stage:
            self.close()
            self._stage = event.stage
        if not event.total:  # the amount of work is not known: say what is being done
            if event.note:
                click.echo(f"{event.stage:<12} {event.note}", err=True)
            return
        if self._bar is not None and event.done < self._bar.pos:
            self._finish()  # the stage counts anew, for its next measure
        planned = event.left_s is not None
        if self._bar is None:
            width = max(10, min(30, shutil.get_terminal_size().columns - 60))
            self._bar = click.progressbar(
                length=event.total,
                label=f"{event.stage:<12}",
                show_eta=not planned,
                show_pos=True,
                width=width,
                item_show_func=self._beside,
                file=sys.stderr,
            )
            self._bar.__enter__()
        self._bar.length = event.total
        self._bar.update(event.done - self._bar.pos, event.note)

    def _beside(self, note: str | None) -> str:
        left = "" if self._left_s is None else f"{duration(self._left_s)} left in all  "
        return left + (note or "")[: 40 - len(left)]

    def pause(self) -> None:
        self._finish()

    def close(self) -> None:
        self._finish()
        self._stage = None

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.render_progress()
            self._bar.render_finish()
            self._bar = None


class Lines:
    """One line when a stage begins, one when it ends, and now and then one between."""

    def __init__(self) -> None:
        self._last: Event | None = None
        self._began = self._counting = self._said = self._heard = 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if self._last is None or event.stage != self._last.stage:
            self.close()
            self._began = self._counting = self._said = now
            click.echo(f"{event.stage}: {event.note or 'started'}", err=True)
        elif event.done < self._last.done:
            self._counting = now  # the stage counts anew, for its next measure
        elif now - self._said >= LINE_SECONDS and 0 < event.done < event.total:
            self._said = now
            if event.left_s is None:
                left = f"{(now - self._counting) / event.done * (event.total - event.done):.0f} s left"
            else:
                left = f"{duration(event.left_s)} left in all"
            click.echo(f"{event.stage}: {event.done} of {event.total}, about {left}", err=True)
        self._last, self._heard = event, now

    def pause(self) -> None:
        return

    def close(self) -> None:
        if self._last is not None:
            # Up to its last event: what comes before the next stage, such as loading a model, is not its own time.
            click.echo(f"{self._last.stage}: finished after {self._heard - self._began:.1f} s", err=True)
            self._last = None
