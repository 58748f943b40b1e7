"""Stage 0 of the data engine for all templates. `python -m echotas.pipeline.mask_motion data/templates OUT`.

A template whose masks give no mesh is listed and left out; the others go on.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from echotas.engine import motion_from_masks
from echotas.pipeline import paths
from echotas.pipeline.parallel import map_items
from echotas.pipeline.params import load_params

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 if at least one template has motion."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("templates", type=Path, help="folder of template recordings")
    parser.add_argument("out", type=Path, help="folder to fill")
    options = parser.parse_args(arguments)
    mesh = load_params(paths.root() / "params.yaml").mesh
    report = map_items(
        partial(motion_from_masks, n_long=mesh.n_long, n_rad=mesh.n_rad),
        sorted(options.templates.glob("*.h5")),
        out_path_of=lambda path: options.out / path.name,
        key_of=lambda path: {"n_long": mesh.n_long, "n_rad": mesh.n_rad},
        inputs_of=lambda path: [path],
        label="motion from masks",
        prune=options.out,
    )
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
