"""Take out of an executed notebook what differs between two runs of the same code: times, ids, addresses, paths."""

import copy
import re
from pathlib import Path
from typing import Any

import nbformat

__all__ = ["INJECTED_TAG", "raw_notebook", "scrubbed", "stderr_lines"]

INJECTED_TAG = "injected-parameters"
"""Tag, and here also the fixed id, of the cell that holds the injected parameters."""

_WIDGET = "application/vnd.jupyter.widget-view+json"
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_KERNEL_FILE = re.compile(r"\S*ipykernel_\d+[/\\]\d+\.py")
# tqdm, which mlflow imports, asks for ipywidgets; progress bars are off anyway.
_KNOWN_NOISE = re.compile(r"TqdmWarning: IProgress not found|from \.autonotebook import tqdm")
_STYLER_ID = re.compile(r"\bT_([0-9a-f]{5})(?=_|\b)")


def scrubbed(notebook: nbformat.NotebookNode, root: Path) -> nbformat.NotebookNode:
    """Copy of an executed notebook without what changes from run to run or from checkout to checkout.

    Warnings and other stderr text are left out as well; `stderr_lines` gives them for the stage log.
    """
    clean = copy.deepcopy(notebook)
    clean.nbformat, clean.nbformat_minor = 4, 5
    clean.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in clean.cells:
        tags = list(cell.metadata.get("tags", []))
        if INJECTED_TAG in tags:
            cell["id"] = INJECTED_TAG
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = _outputs(cell.outputs, str(root))
    return clean


def raw_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Only the code cells that count: what depends on code, and on nothing else."""
    raw = copy.deepcopy(notebook)
    raw.cells = [
        cell
        for cell in raw.cells
        if cell.cell_type == "code" and cell.source.strip() and "docs" not in cell.metadata.get("tags", [])
    ]
    return raw


def stderr_lines(notebook: nbformat.NotebookNode) -> list[str]:
    """Lines that cells wrote to stderr."""
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    texts = (output.text for output in outputs if output.output_type == "stream" and output.name == "stderr")
    return [line for text in texts for line in text.splitlines() if line.strip() and not _KNOWN_NOISE.search(line)]


def _outputs(outputs: list[Any], root: str) -> list[Any]:
    kept: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":  # how stdout is cut into pieces depends on timing
                kept[-1].text += output.text
                continue
        elif output.output_type in ("display_data", "execute_result"):
            output.metadata = nbformat.from_dict({})
            output.data.pop(_WIDGET, None)
            if not output.data:
                continue
        kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = _text(output.text, root)
        elif output.output_type == "error":
            output.evalue = _text(output.evalue, root)
            output.traceback = [_text(line, root) for line in output.traceback]
        else:
            for kind, value in output.data.items():
                if kind.startswith("text/") or kind == "image/svg+xml":
                    output.data[kind] = _text("".join(value), root)
    return kept


def _text(text: str, root: str) -> str:
    text = text.replace(f"{root}/", "").replace(root, ".")
    text = _KERNEL_FILE.sub("<cell>", text)
    text = _ADDRESS.sub("0x...", text)
    order = {name: f"T_{index:05d}" for index, name in enumerate(dict.fromkeys(_STYLER_ID.findall(text)))}
    return _STYLER_ID.sub(lambda match: order[match.group(1)], text)
