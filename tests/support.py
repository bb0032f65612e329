"""What a stage needs to run by itself: a context of real parts, and pictures as if a ledger had received them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from forensics.case import Absent, Checkpoint, Comparison, Gate, Item, Origin
from forensics.controls.cache import Cache
from forensics.device import choose
from forensics.diffusion.autoencoder import Beside
from forensics.events import ignore
from forensics.folder import Ledger
from forensics.protocol import PROFILES, Protocol
from forensics.settings import Settings
from forensics.stages.context import Context, Models, Received
from forensics.stages.instruments import Instruments
from forensics.stages.origin import Traced
from forensics.stages.works import ControlGroup, Work

NO_INSTRUMENTS = Instruments({}, {})


def context(
    folder: Path,
    *,
    protocol: Protocol = PROFILES["standard"],
    settings: Settings | None = None,
    instruments: Instruments = NO_INSTRUMENTS,
    controls: ControlGroup | None = None,
    cache: Cache | None = None,
) -> Context:
    """A context on the processor that writes to this folder; without controls or stored scores unless given."""
    plain = Context(settings or Settings(), protocol, choose("cpu"), Ledger(folder), instruments, ignore)
    return Context(
        plain.settings,
        plain.protocol,
        plain.device,
        plain.ledger,
        plain.instruments,
        plain.emit,
        controls or plain.controls,
        cache or plain.cache,
    )


def item(work: Work, role: str = "disputed", sha256: str = "") -> Item:
    """The entry of a picture that was received as a file of these bytes, or of its pixels where none are given."""
    height, width = work.pixels.shape[-2:]
    digest = sha256 or hashlib.sha256(work.pixels.numpy().tobytes()).hexdigest()
    return Item(
        id=work.id,
        role=role,
        file_name=f"{work.id}.png",
        sha256=digest,
        size_bytes=1,
        media_type="image/png",
        width=width,
        height=height,
        stored=f"exhibits/{digest}.png",
        exhibit=work.id,
        decoding=(),
        metadata=(),
        generator=(),
    )


def received(disputed: Work, *originals: Work, sha256: str = "") -> Received:
    """The disputed image and the works put forward."""
    entered = tuple((item(work, "original"), work) for work in originals)
    return Received(item(disputed, sha256=sha256), disputed, entered)


def models(checkpoint: Checkpoint, control: Checkpoint | None = None) -> Models:
    """A checkpoint with no other autoencoder beside it."""
    return Models(checkpoint, control, Beside())


def traced(asked: Work, comparisons: tuple[Comparison, ...] = ()) -> Traced:
    """A stage of origin that measured these comparisons and leaves retention to be asked of this picture."""
    nothing = Absent("origin", "Not measured in this test.")
    gate = Gate("No rule.", False, (), asked.id, "No decision.")
    return Traced(Origin(nothing, nothing, nothing, gate), comparisons, asked, ())
