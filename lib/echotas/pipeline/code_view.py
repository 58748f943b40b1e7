"""What a notebook computes with: its code cells and the library modules behind them, without prose.

DVC compares files, so a stage that depended on a notebook would run again for every changed word. It depends on this
view instead: the code cells, then one digest per module of `echotas` that they import, directly or through other
modules. Comments and docstrings enter neither digest nor view, so documentation costs no computation. Modules that
cannot change a number (`INFRASTRUCTURE`) are left out.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = [
    "INFRASTRUCTURE",
    "code_cells",
    "import_closure",
    "library_digest",
    "notebook_view",
    "significant_source",
    "write_views",
]

PACKAGE = "echotas"

INFRASTRUCTURE = frozenset(
    f"echotas.pipeline.{name}"
    for name in (
        "backfill",
        "changes",
        "code_view",
        "data_guard",
        "execute",
        "journal",
        "notebooks",
        "parallel",
        "params",
        "paths",
        "profiles",
        "progress",
        "runs",
        "scrub",
        "section",
        "stages",
        "verify",
        "weave",
    )
)
"""Modules that run, check or log but never decide a number, so that their change invalidates no result."""

_DOCS_TAG = "docs"


def write_views(notebooks: Path, out: Path, library: Path, modules: Iterable[str] = ()) -> list[Path]:
    """Write a view of every notebook in a folder, one of every tracker module (imported by name), and of some others.

    Args:
        notebooks: Folder with `*.ipynb`.
        out: Folder for `NAME.py` and `lib/MODULE.txt`; views of what is gone are removed.
        library: Source root, the folder that holds `echotas/`.
        modules: Further modules to view, e.g. those that a stage runs without a notebook.

    Returns:
        The files written.

    Raises:
        ValueError: A module does not exist.
    """
    views = {out / f"{path.stem}.py": notebook_view(path, library) for path in sorted(notebooks.glob("*.ipynb"))}
    trackers = sorted((library / PACKAGE / "trackers").glob("*.py"))
    named = [*modules, *(f"{PACKAGE}.trackers.{path.stem}" for path in trackers if path.stem != "__init__")]
    for module in named:
        if _file_of(module, library) is None:
            raise ValueError(f"module must be part of {PACKAGE}, got {module!r}")
        views[out / "lib" / f"{module}.txt"] = _listing(import_closure([module], library), library)
    for old in (*out.glob("*.py"), *out.glob("lib/*.txt")):
        if old not in views:
            old.unlink()
    for path, text in views.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(views)


def notebook_view(path: Path, library: Path) -> str:
    """Code cells of one notebook, then the digests of the library modules they use."""
    import nbformat  # takes a second, which workers that only need `library_digest` save

    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    parts = [f"# Code view of {path.name}: made from the notebook, not to be edited.\n"]
    for cell in cells:
        tags = ", ".join(cell.metadata.get("tags", []))
        parts.append(f"# %% {cell.id}{f' [{tags}]' if tags else ''}\n{cell.source.rstrip()}\n")
    roots: set[str] = set()
    for cell in cells:
        roots |= _imports(cell.source, PACKAGE, f"{path}: code cell {cell.id!r}")
    parts.append("# %% library\n" + _listing(import_closure(roots, library), library, prefix="# "))
    return "\n".join(parts)


def code_cells(notebook: "NotebookNode") -> list["NotebookNode"]:
    """Code cells that count: not empty and not tagged `docs`."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() and _DOCS_TAG not in cell.metadata.get("tags", [])
    ]


def import_closure(names: Iterable[str], library: Path) -> dict[str, Path]:
    """Modules of the package behind some dotted names, found without importing anything: module name -> file.

    A name may end in a function or class; packages count with their `__init__`. Imports inside functions count too;
    modules imported by a computed name do not.
    """
    found: dict[str, Path] = {}
    pending = list(names)
    while pending:
        parts = pending.pop().split(".")
        for n in range(1, len(parts) + 1):  # importing a.b.c runs a and a.b first
            module = ".".join(parts[:n])
            path = _file_of(module, library)
            if path is None:
                break
            if module in found or module in INFRASTRUCTURE:
                continue
            found[module] = path
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            pending += _imports(path.read_text(encoding="utf-8"), package, str(path))
    return dict(sorted(found.items()))


def library_digest(names: Iterable[str], library: Path | None = None) -> str:
    """One digest of everything in the library that some modules compute with; the key of results made with them."""
    library = library or Path(__file__).resolve().parents[2]
    listing = _listing(import_closure(names, library), library)
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def significant_source(source: str) -> str:
    """Source without comments, docstrings and blank lines; the same text on every Python version."""
    lines = source.splitlines()
    blanked = [bytearray(line, "utf-8") for line in lines]
    for node in ast.walk(ast.parse(source)):
        # A string that stands alone does nothing: docstrings of modules, classes, functions, fields and constants.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            _blank(blanked, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            offset = len(lines[row - 1][:column].encode())
            _blank(blanked, row, offset, row, offset + len(token.string.encode()))
    text = (line.decode().rstrip() for line in blanked)
    return "\n".join(line for line in text if line)


def _blank(lines: list[bytearray], row: int, column: int, end_row: int | None, end_column: int | None) -> None:
    for index in range(row - 1, end_row or row):
        start = column if index == row - 1 else 0
        stop = end_column if index == (end_row or row) - 1 else len(lines[index])
        lines[index][start:stop] = b" " * (stop - start)


def _imports(source: str, package: str, where: str) -> set[str]:
    """Dotted names of the package that a source imports; `package` resolves relative ones, `where` names the source."""
    try:
        tree = ast.parse(_without_magics(source))
    except SyntaxError as error:
        raise ValueError(f"{where} is not valid Python ({error.msg}, line {error.lineno})") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def _without_magics(source: str) -> str:
    """Source of a cell with IPython's own commands taken out; a library line never starts with their marks."""
    return "\n".join("pass" if line.startswith(("%", "!")) else line for line in source.splitlines())


def _file_of(module: str, library: Path) -> Path | None:
    base = library.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _listing(modules: dict[str, Path], library: Path, prefix: str = "") -> str:
    """One line per module with its digest, then one per data file that lies beside the modules."""
    lines = [f"{prefix}{module} {_module_digest(path, path.stat().st_mtime_ns)}" for module, path in modules.items()]
    for folder in sorted({path.parent for path in modules.values()}):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix not in {".py", ".pyc", ".md"} and not path.name.startswith("."):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
                lines.append(f"{prefix}{path.relative_to(library).as_posix()} {digest}")
    return "".join(f"{line}\n" for line in lines)


@cache
def _module_digest(path: Path, modified_ns: int) -> str:  # the time is part of the cache key only
    return hashlib.sha256(significant_source(path.read_text(encoding="utf-8")).encode()).hexdigest()[:16]
