"""Whether codelengths under two checkpoints may be subtracted: they must count the same numbers.

Bits are counted over the values of a latent. Another autoencoder makes other values of the same picture, another size
more or fewer of them; the difference then says nothing of what either checkpoint learned.
"""

from __future__ import annotations

from forensics.case import Absent, Checkpoint
from forensics.diffusion.autoencoder import of_checkpoint
from forensics.diffusion.checkpoint import told
from forensics.diffusion.families import family

WHAT = "comparison with the control checkpoint"


def comparable(checkpoint: Checkpoint, control: Checkpoint) -> Absent | None:
    """Why the two cannot be compared, or None where they can.

    Raises:
        CheckpointError: the files of an autoencoder cannot be read.
    """
    if checkpoint.native_px != control.native_px:
        return _absent(
            f"{checkpoint.name} works at {checkpoint.native_px} pixels and {control.name} at {control.native_px}, so "
            "the same picture has another number of values under each.",
            "Name a control checkpoint of the same size. Where a file does not state its size and the convention is "
            "wrong, state it with --size.",
        )
    latent = [family(one.family).latent for one in (checkpoint, control)]
    if not any(latent):
        return None
    if not all(latent):
        return _absent(
            f"one of {checkpoint.name} and {control.name} works on pixels, the other on the latents of an autoencoder.",
            "Name a control checkpoint of the same family.",
        )
    mine, theirs = of_checkpoint(checkpoint), of_checkpoint(control)
    with told("an autoencoder"):
        same = mine.digest == theirs.digest or mine.contents() == theirs.contents()
    if not same:
        return _absent(
            f"{checkpoint.name} and {control.name} have different autoencoders, so the same picture has other values "
            "under each.",
            "Name a control checkpoint with the same autoencoder, such as the base that the checkpoint was tuned from.",
        )
    return None


def _absent(reason: str, remedy: str) -> Absent:
    return Absent(WHAT, f"Bits under the two checkpoints are not comparable: {reason}", remedy)
