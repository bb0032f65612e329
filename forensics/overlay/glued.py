"""A further source of alignments: ALIKED finds and describes places, LightGlue matches those of two pictures.

X. Zhao et al., "ALIKED: A Lighter Keypoint and Descriptor Extraction Network via Deformable Transformation", IEEE TIM
72, 2023; P. Lindenberger, P.-E. Sarlin, M. Pollefeys, "LightGlue: Local Feature Matching at Light Speed", ICCV 2023.
The networks are those of kornia, the weights those of the authors. They are larger than all else that the comparison
uses and do not ship; where `forensics weights fetch` brought them, the source is asked about pairs that the others
leave without a copy word. It proposes beside them, its places count as those of the learned features do, and the same
judge weighs what it proposes: `tests/studies/further_source.py` holds the rule by which that was decided, and what was
measured, `further_test_half.py` what it gives on pictures held out. What it finds is taken only where the word is a
higher one (`raised`), so that it takes nothing away from a pair.

Nothing in here is a constant of the module: those enter the protocol, and a case without the weights is measured under
the same protocol as one with them. What was used is stated in the case by `Glued.identity`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from forensics import weights
from forensics.case import Outcome
from forensics.errors import WeightsError
from forensics.overlay import align
from forensics.overlay.align import Further, Matches
from forensics.overlay.correspondence import Pairing, pair
from forensics.overlay.outcome import decide
from forensics.overlay.plates import Matrix, Plate
from forensics.overlay.prepared import Prepared


class Glued:
    """The source. Called with two pictures it gives matched places, for the second as it stands and mirrored."""

    role: ClassVar[str] = "further source of alignments"
    """What a case calls it."""
    title: ClassVar[str] = "ALIKED + LightGlue"
    version: ClassVar[str] = "aliked-lightglue/1"
    row: ClassVar[str] = "aliked-lightglue"
    """Row of `forensics.weights`."""
    features: ClassVar[int] = 768
    """At most this many of a picture, the strongest."""
    kept: ClassVar[int] = 128
    """Pictures whose features are kept, each as it stands and mirrored; a megabyte at most for both."""

    def __init__(
        self, aliked: Mapping[str, Tensor], lightglue: Mapping[str, Tensor], digest: str = "", *, side: int = 512
    ) -> None:
        """Load both networks, float32 on the CPU.

        Args:
            aliked: weights of the model `aliked-n16`, under the names of the authors and of kornia.
            lightglue: weights of LightGlue for features of ALIKED, under the names of the authors or of kornia.
            digest: SHA-256 of the file that both stand in.
            side: long side in pixels at which features are taken.

        Raises:
            WeightsError: weights do not fit.
        """
        from kornia.feature import ALIKED, LightGlue

        flash = torch.backends.cuda.flash_sdp_enabled()
        self._finder = ALIKED("aliked-n16", max_num_keypoints=self.features, detection_threshold=0.0)
        self._matcher = LightGlue(None, input_dim=128)
        # LightGlue switches a way of computing attention off for the whole process, where a generator may run.
        torch.backends.cuda.enable_flash_sdp(flash)
        _filled(self._finder, aliked)
        _filled(self._matcher, {_renamed(name): value for name, value in lightglue.items()})
        self.digest, self._side = digest, side
        self._found: OrderedDict[tuple[str, bool], dict[str, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls) -> Glued:
        """With the weights that were fetched. Raises WeightsError where they were not, or are damaged."""
        return cls.of(load_file(weights.resolve(cls.row)), weights.TABLE[cls.row].sha256)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], digest: str) -> Glued:
        """With the weights of a file, by name. Raises WeightsError where they do not fit."""
        parts: dict[str, dict[str, Tensor]] = {"aliked": {}, "lightglue": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        return cls(parts["aliked"], parts["lightglue"], digest)

    @classmethod
    def stated(cls, digest: str) -> str:
        """What a case states of the source with weights of this digest: name, version and weights."""
        return f"{cls.title}, {cls.version}, weights with SHA-256 {digest}"

    @property
    def identity(self) -> str:
        """What a case states of this one."""
        return self.stated(self.digest)

    @torch.inference_mode()
    def __call__(self, a: Prepared, b: Prepared) -> list[Matches]:
        """Places of `a` and `b`, in pixels of their plates. What is left out of a picture has none."""
        tolerance = align.LEARNED_TOLERANCE * max(a.plate.size) / 512
        found = []
        with self._lock:
            ours = self._seen(a.plate, mirrored=False)
            for mirrored in (False, True):
                theirs = self._seen(b.plate, mirrored=mirrored)
                if min(ours["keypoints"].shape[1], theirs["keypoints"].shape[1]) == 0:
                    continue
                pairs = self._matcher({"image0": ours, "image1": theirs})["matches"][0].numpy()
                x = _on_plate(ours, a.plate, mirrored=False)[pairs[:, 0]]
                y = _on_plate(theirs, b.plate, mirrored=mirrored)[pairs[:, 1]]
                found.append(Matches("learned", mirrored, np.concatenate([x, y], 1), tolerance))
        return found

    def _seen(self, plate: Plate, *, mirrored: bool) -> dict[str, Tensor]:
        """Features of what is not left out of a plate."""
        found = self._features(plate, mirrored=mirrored)
        if plate.ignored is None:
            return found
        at = np.rint(_on_plate(found, plate, mirrored=mirrored)).astype(int)
        x, y = (np.clip(at[:, i], 0, plate.size[1 - i] - 1) for i in (0, 1))
        kept = torch.from_numpy(~plate.ignored[y, x])
        return found | {name: found[name][:, kept] for name in ("keypoints", "descriptors")}

    def _features(self, plate: Plate, *, mirrored: bool) -> dict[str, Tensor]:
        """Features of a whole plate, as LightGlue takes them, in pixels of the picture as it was looked at."""
        key = plate.digest, mirrored
        if key not in self._found:
            height, width = plate.size
            scale = self._side / max(height, width)
            size = max(32, round(width * scale)), max(32, round(height * scale))
            seen = cv2.resize(plate.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
            seen = np.ascontiguousarray(seen[:, ::-1]) if mirrored else seen
            found = self._finder(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)[0]
            self._found[key] = {
                "keypoints": found.keypoints[None],
                "descriptors": found.descriptors[None],
                "image_size": torch.tensor([size]),
            }
            while len(self._found) > 2 * self.kept:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        return self._found[key]


def raised(
    found: Pairing, first: Prepared, second: Prepared, source: Further | None, guide: Prepared | None = None
) -> Pairing:
    """A pair as it was found, or as it is with a further source, where that gives a higher word.

    Args:
        found: the two laid over each other without the source.
        source: none where there is none.
        guide: as in `correspondence.pair`.
    """
    steps = {Outcome.NONE: 0, Outcome.ARRANGEMENT: 1, Outcome.PARTLY: 2, Outcome.THROUGHOUT: 3}
    word = decide(found)
    if source is None or steps.get(word, 3) > 1:
        return found
    more = pair(first, second, guide, source)
    return replace(more, otherwise=word) if steps.get(decide(more), 0) > steps[word] else found


def _on_plate(features: Mapping[str, Tensor], plate: Plate, *, mirrored: bool) -> Matrix:
    """(n, 2): places of features in pixels of the plate as it stands."""
    points = features["keypoints"][0].numpy().astype(np.float64)
    width, height = features["image_size"][0].tolist()
    if mirrored:
        points[:, 0] = width - 1 - points[:, 0]
    return np.asarray((points + 0.5) * [plate.size[1] / width, plate.size[0] / height] - 0.5)


def _filled(network: Any, state: Mapping[str, Tensor]) -> None:
    """Load weights; only what a network makes itself may be missing of them. Raises WeightsError."""
    missing, unexpected = network.load_state_dict(dict(state), strict=False)
    learned = {name for name, _ in network.named_parameters()}
    if unexpected or learned & set(missing):
        raise WeightsError(
            f"The weights of {Glued.title} do not fit the networks at hand: missing {sorted(missing)[:3]}, "
            f"not known {sorted(unexpected)[:3]}.",
            hint="Install the release of kornia that this program asks for.",
        )
    network.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    """The authors' file names layers by kind, kornia by layer."""
    kind, _, rest = name.partition(".")
    if kind not in ("self_attn", "cross_attn"):
        return name
    number, _, rest = rest.partition(".")
    return f"transformers.{number}.{kind}.{rest}"
