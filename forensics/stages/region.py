"""Where the target came back: the region that the seeds reproduce and the places the prompt acts on, as exhibits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from forensics.case import Fact, Inversion
from forensics.diffusion.base import DiffusionModel
from forensics.folder import Ledger
from forensics.inversion.where import VERSION, score_shown, shown, where
from forensics.pictures.tensors import to_picture

TAG = "W"


def with_maps(
    inversion: Inversion,
    outputs: Sequence[Tensor],
    target: Tensor,
    model: DiffusionModel,
    ledger: Ledger,
    first: int = 1,
) -> Inversion:
    """The inversion with its two maps entered as exhibits, numbered from `first`.

    Args:
        outputs: (1, 3, H, W) each, one a seed, at the size of the target.
        target: (1, 3, H, W) the picture asked of.
    """
    before = model.evaluations
    condition = model.condition(inversion.prompt, 1.0)
    found = where(target, torch.cat(list(outputs)), condition, model)
    drawn = (
        ("Region that came back in at least half of the seeds", shown(target, found.region)),
        ("Where the prompt moves the network", score_shown(found)),
    )
    ids = [
        ledger.put(to_picture(picture), f"{TAG}{number}", title, f"inversion.where@{VERSION}").id
        for number, (title, picture) in enumerate(drawn, first)
    ]
    facts = [Fact("region that came back of the image as received", found.region.sentence)]
    if found.agreement is not None:
        value = f"{found.agreement:.2f}; negative where plain ground comes back without the prompt's help"
        facts.append(Fact("rank correlation of that region with where the prompt acts", value))
    facts.append(Fact("evaluations for these maps", str(model.evaluations - before)))
    return replace(inversion, maps=(*inversion.maps, *ids), facts=(*inversion.facts, *facts))
