"""`python -m samples.recipe COMMAND ...`: make the reference models, step by step."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys

COMMANDS = {
    "lpips-trunk": ("lpips_trunk", "convert the AlexNet trunk of LPIPS"),
    "xfeat": ("xfeat", "convert the weights of the learned local features"),
    "data": ("data", "verify and render the works, split them, write the manifest"),
    "tokenizer": ("tokenizer", "train the tokenizer"),
    "autoencoder": ("autoencoder", "train the shared autoencoder"),
    "decoder": ("decoder", "tune the decoder of the autoencoder further; latents stay as they are"),
    "card": ("card", "put the measured figures into the model card"),
    "clip": ("clip", "train the open_clip model and convert its text tower"),
    "descriptor": ("descriptor", "fit the whitening of the copy descriptor"),
    "twin": ("twin", "train twin a or b"),
    "differences": ("differences", "prove that the twins differ in the planted works alone"),
    "finetune": ("finetune", "tune twin b on twelve works of one creator (LoRA)"),
    "known": ("known", "list the works of known status of the fine-tune"),
    "scores": ("scores", "take what an examination measured of the controls into the scores that ship"),
    "pack": ("pack", "write the models in the formats that diffusers and open_clip load"),
    "regenerate": ("regenerate", "how often a twin gives its works back"),
    "copies": ("copies", "which measure finds edited copies among unrelated pictures"),
    "evaluate": ("evaluate", "measure what the model card states"),
}


def main(arguments: list[str] | None = None) -> None:
    """Parse, then import the module of the command only."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m samples.recipe",
        description="Train, pack and evaluate the reference models.",
        epilog="\n".join(f"  {name:12s} {help_text}" for name, (_, help_text) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=sorted(COMMANDS), metavar="COMMAND")
    command = parser.parse_args(arguments[:1]).command
    name, help_text = COMMANDS[command]
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    module = importlib.import_module(f"samples.recipe.{name}")
    sub = argparse.ArgumentParser(prog=f"python -m samples.recipe {command}", description=help_text)
    module.add_arguments(sub)
    module.run(sub.parse_args(arguments[1:]))


if __name__ == "__main__":
    main()
