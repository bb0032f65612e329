"""The budget of the ladder in evaluations of the denoising network, stated before the start and in the report."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Setting
from forensics.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Budget:
    """Evaluations by rung, of the disputed image and of one control."""

    rows: tuple[tuple[str, int, int], ...]
    """Rung, evaluations for the disputed image, evaluations for all controls together."""
    controls: int

    @property
    def own(self) -> int:
        """Evaluations for the disputed image."""
        return sum(row[1] for row in self.rows)

    @property
    def of_controls(self) -> int:
        """Evaluations for all controls, where none of their scores is stored."""
        return sum(row[2] for row in self.rows)

    @property
    def sentence(self) -> str:
        """The whole budget in one sentence."""
        return (
            f"Budget: {self.own:,} evaluations of the network for the disputed image and {self.of_controls:,} for "
            f"{self.controls} controls."
        )

    def time(self, rate: float) -> str:
        """How long that takes at so many evaluations a second; stored scores of controls take no time."""
        least, most = self.own / rate / 60, (self.own + self.of_controls) / rate / 60
        return (
            f"At {rate:,.0f} a second that is {least:.1f} minutes with stored control scores, and up to {most:.1f} "
            "minutes without."
        )

    @property
    def settings(self) -> tuple[Setting, ...]:
        """For the report: one row a rung."""
        return tuple(
            Setting(
                f"budget, {name}",
                f"{own:,} evaluations for the disputed image, {controls:,} for the controls",
                "protocol",
            )
            for name, own, controls in self.rows
        )


def plan(protocol: Protocol, controls: int, prompts: int, prompted_controls: bool, elsewhere: bool) -> Budget:
    """What the protocol asks for, rung by rung.

    Args:
        controls: control works in use.
        prompts: prompts of the disputed image.
        prompted_controls: whether the controls have prompts of their own.
        elsewhere: whether there is a control checkpoint.
    """
    guided = 2 if protocol.guidance > 1 else 1
    per = {
        "autoencoder": 0,
        "ode": 1 + protocol.steps * (protocol.refinements + 1) if protocol.refinements else 2 * protocol.steps,
        "regeneration": protocol.seeds * protocol.steps * guided,
    }
    rows = []
    for method in protocol.rungs:
        if method == "regeneration":
            rows.append((method, prompts * per[method], controls * per[method] if prompts and prompted_controls else 0))
        else:
            rows.append((method, per[method], controls * per[method]))
    length = protocol.codelength_levels * protocol.codelength_draws
    rows.append(("codelength without prompt", length, controls * length))
    if prompts:
        rows.append(("codelength with prompt", length, controls * length if prompted_controls else 0))
    if prompts and elsewhere:
        own = length + per["regeneration"]
        rows.append(("control checkpoint", own, controls * length if prompted_controls else 0))
    return Budget(tuple(rows), controls)
