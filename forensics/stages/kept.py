"""Stages that were finished before an examination was stopped are not done again.

A stage is a function of what the identity names: the same inputs, means, constants and arithmetic. So its result, with
the exhibits that it entered and the account of the control scores that it used, stands for doing it again. What is
taken from before is a line in the custody log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from forensics import __version__, foreign, packed
from forensics.case import Exhibit
from forensics.controls.cache import Account, Cache
from forensics.device import Device, facts
from forensics.folder import Ledger

T = TypeVar("T")


@dataclass(slots=True)
class Kept:
    """Results of finished stages in a case folder."""

    ledger: Ledger | None = None
    """None keeps nothing."""
    cache: Cache = field(default_factory=lambda: Cache(None))
    identity: str = ""
    """Digest of what the results depend on."""

    @classmethod
    def of(cls, ledger: Ledger, cache: Cache, parts: tuple[str, ...]) -> Kept:
        """Those of the examination with this identity.

        Raises:
            CaseError: the folder holds the beginning of another one; the message names what differs.
        """
        return cls(ledger, cache, ledger.agree(parts))

    def stage(self, name: str, kind: Any, compute: Callable[[], T]) -> T:
        """What the stage gave before it was stopped, else what it gives now.

        Args:
            name: of the stage, told once in an examination.
            kind: what it gives, as a type that `packed.unpack` understands.
            compute: does it.

        Raises:
            CaseError: the result cannot be written to the folder.
        """
        if self.ledger is None:
            return compute()
        whole = tuple[kind, tuple[Exhibit, ...], Account]
        if (found := self.ledger.kept(name, self.identity)) is not None:
            data, digest = found
            with contextlib.suppress(foreign.Unreadable):  # then it is done again
                value, exhibits, account = packed.unpack(whole, data)
                if self.ledger.enter_again(exhibits):
                    self.cache.add(account)
                    self.ledger.log("stage taken from before the stop", name, digest)
                    result: T = value
                    return result
        before, mark = len(self.ledger.exhibits), self.cache.mark()
        made = compute()
        data = packed.pack((made, self.ledger.exhibits[before:], self.cache.since(mark)))
        self.ledger.keep(name, self.identity, data)
        # What goes on is what was kept: tensors laid out otherwise in memory are summed in another order.
        same: T = packed.unpack(whole, data)[0]
        return same


def means(device: Device) -> tuple[str, ...]:
    """What computes: program, libraries and arithmetic, as parts of an identity. The kernel of the system is no such
    part: a power cut is often followed by a new one."""
    named = (f for f in facts(device) if f.name not in ("operating system", "cores"))
    return (f"program=forensics {__version__}", *(f"{fact.name}={fact.value}" for fact in named))
