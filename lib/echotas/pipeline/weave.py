"""Put today's prose around the outputs of code that was executed earlier; executes nothing, refuses changed code."""

import copy
from pathlib import Path

import nbformat

from echotas.pipeline.code_view import code_cells
from echotas.pipeline.scrub import INJECTED_TAG, scrubbed

__all__ = ["WeaveError", "weave"]


class WeaveError(ValueError):
    """The notebook's code is not the code that was executed."""


def weave(source: Path, raw: Path) -> nbformat.NotebookNode:
    """Report: cells and prose of `source` in their order, outputs from `raw` by cell id.

    Raises:
        WeaveError: A code cell differs, is missing, or stands elsewhere in `raw`; the message names it.
    """
    notebook = nbformat.read(source, as_version=4)
    executed = nbformat.read(raw, as_version=4)
    injected = [cell for cell in executed.cells if INJECTED_TAG in cell.metadata.get("tags", [])]
    have = [cell for cell in executed.cells if INJECTED_TAG not in cell.metadata.get("tags", [])]
    want = code_cells(notebook)
    for position in range(max(len(want), len(have))):
        wanted = want[position] if position < len(want) else None
        found = have[position] if position < len(have) else None
        if wanted is None or found is None or wanted.id != found.id or wanted.source.rstrip() != found.source.rstrip():
            name = wanted.id if wanted is not None else found.id
            raise WeaveError(f"{source}: code cell {name!r} is not what {raw} executed; run the notebook's stage first")
    outputs = {cell.id: cell for cell in have}

    report = scrubbed(notebook, source.parent)
    report.metadata["echotas"] = copy.deepcopy(executed.metadata.get("echotas", {}))
    cells = []
    for cell in report.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if cell.id in outputs:
                cell.outputs, cell.execution_count = outputs[cell.id].outputs, outputs[cell.id].execution_count
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += injected
    report.cells = cells
    return report
