"""Command line of the notebook stages: `run`, `code` and `weave`.

    python -m echotas.pipeline.notebooks run notebooks/20_track.ipynb .work/20_track-farneback.ipynb \\
        -s seed -s config=trackers.farneback -p tracker farneback
    python -m echotas.pipeline.notebooks code
    python -m echotas.pipeline.notebooks weave notebooks/20_track.ipynb .work/20_track-farneback.ipynb \\
        reports/20_track-farneback.ipynb
"""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from echotas.pipeline import paths
from echotas.pipeline.params import ParamsError, load_params, read_yaml

__all__ = ["main", "select_parameters"]


def select_parameters(
    values: Mapping[str, Any], sections: Sequence[str], pairs: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Parameters to inject.

    Args:
        values: All of `params.yaml`.
        sections: `KEY.PATH` (injected under its last part) or `NAME=KEY.PATH`.
        pairs: (name, value) with the value written as YAML.

    Raises:
        ParamsError: A key does not exist, or two parameters have one name.
    """
    chosen: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if name in chosen:
            raise ParamsError(f"parameter {name!r} is given twice")
        chosen[name] = value

    for section in sections:
        name, _, key = section.rpartition("=")
        value: Any = values
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ParamsError(f"params.yaml: has no key {key!r}")
            value = value[part]
        add(name or key.rpartition(".")[2], value)
    for name, text in pairs:
        add(name, yaml.safe_load(text))
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m echotas.pipeline.notebooks", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute a notebook with parameters from params.yaml")
    run.add_argument("source", type=Path)
    run.add_argument("out", type=Path)
    run.add_argument("-s", "--section", action="append", default=[], metavar="[NAME=]KEY", help="key of params.yaml")
    run.add_argument("-p", "--parameter", action="append", default=[], nargs=2, metavar=("NAME", "VALUE"))
    code = commands.add_parser("code", help="write the code views of all notebooks")
    code.add_argument("--notebooks", type=Path, default=Path("notebooks"))
    code.add_argument("--module", action="append", default=[], help="module of a stage without a notebook")
    weave = commands.add_parser("weave", help="put current prose around stored outputs")
    for name in ("source", "raw", "out"):
        weave.add_argument(name, type=Path)
    options = parser.parse_args(arguments)
    try:
        {"run": _run, "code": _code, "weave": _weave}[options.command](options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; finished items are kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    from echotas.pipeline.execute import execute

    file = paths.root() / "params.yaml"
    load_params(file)
    execute(options.source, options.out, select_parameters(read_yaml(file), options.section, options.parameter))


def _code(options: argparse.Namespace) -> None:
    from echotas.pipeline.code_view import write_views

    write_views(options.notebooks, options.notebooks / ".code", paths.root() / "lib", options.module)


def _weave(options: argparse.Namespace) -> None:
    import nbformat

    from echotas.pipeline.weave import weave

    report = weave(options.source, options.raw)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(report, options.out)


def _interrupt(signal_number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for stop in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a stopped stage shuts its kernel down, also when run in the background
        signal.signal(stop, _interrupt)
    sys.exit(main())
