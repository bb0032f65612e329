"""What every stage of one examination shares, fixed before the first of them begins.

A stage takes the context and what is its own. Stages return pictures and numbers; the ledger in here is the only door
to the case folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from forensics.case import Absent, CheckByOthers, Checkpoint, FileDigest, Item
from forensics.controls.cache import Cache
from forensics.device import Device
from forensics.diffusion.autoencoder import Beside
from forensics.events import Emit
from forensics.folder import Ledger
from forensics.protocol import Protocol
from forensics.settings import Settings
from forensics.stages.instruments import Instruments
from forensics.stages.kept import Kept
from forensics.stages.works import ControlGroup, Work
from forensics.stages.workshop import Workshop

_NONE = Absent("control works", "No control works were used: this is a comparison of pictures.")


@dataclass(frozen=True, slots=True)
class Models:
    """The generators of the examination, identified by header and digest; no weights are loaded yet."""

    checkpoint: Checkpoint
    control: Checkpoint | None
    """A checkpoint that cannot have seen the work, and whose bits count the same numbers; see `incomparable`."""
    autoencoders: Beside
    """Those of other generators, tried beside the checkpoint's own."""
    incomparable: Absent | None = None
    """Why the control checkpoint that was named is not used, where it is not."""


@dataclass(frozen=True, slots=True)
class Received:
    """The pictures handed in, as the ledger entered them."""

    item: Item
    disputed: Work
    originals: tuple[tuple[Item, Work], ...] = ()
    """The works put forward, in the order given."""
    checks: tuple[CheckByOthers, ...] = ()
    """What others state of these files."""
    trust: tuple[FileDigest, ...] = ()
    """Lists of trusted issuers that Content Credentials were held against."""

    @property
    def items(self) -> tuple[Item, ...]:
        """Every item, the disputed image first."""
        return (self.item, *(item for item, _ in self.originals))

    @property
    def put_forward(self) -> tuple[Work, ...]:
        """The originals as works."""
        return tuple(work for _, work in self.originals)

    @property
    def pictures(self) -> tuple[Work, ...]:
        """Every picture handed in, the disputed image first."""
        return (self.disputed, *self.put_forward)

    @property
    def digests(self) -> frozenset[str]:
        """SHA-256 of the files."""
        return frozenset(item.sha256 for item in self.items)


@dataclass(frozen=True, slots=True)
class Context:
    """Settings, protocol, arithmetic and instruments of one examination, and the ledger that it writes through."""

    settings: Settings
    protocol: Protocol
    device: Device
    ledger: Ledger
    instruments: Instruments
    emit: Emit
    controls: ControlGroup = field(default_factory=lambda: ControlGroup(_NONE))
    cache: Cache = field(default_factory=lambda: Cache(None))
    """What controls scored in earlier cases; by default nothing is kept."""
    kept: Kept = field(default_factory=Kept)
    """What finished stages gave, for an examination that may be stopped; by default nothing is kept."""
    workshop: Workshop = field(default_factory=Workshop)
    """What is opened once for several examinations; by default for this one alone."""
