"""The import rules of the code base: each layer only from those above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mlxbench

PACKAGE = Path(mlxbench.__file__).parent
LAYERS = [
    {"errors", "records", "paths", "redact"},
    {"stats", "roofline", "registry", "text", "acrostic"},
    {
        "checkpoints",
        "synthetic",
        "environment",
        "store",
        "lock",
        "chat",
        "tokenizer",
        "http_client",
    },
    {"engines", "gguf_export"},
    {"measure"},
    {"claims", "doctor"},
    {"report", "lab"},
    {"selftest"},
    {"cli"},
]
SHARED_BY_ENGINES = ("protocol", "serving")
# Who may import what from outside, as path prefixes below the package.
ONLY_IN = {
    "mlx": ("engines/mlx/", "environment/mlx_device.py", "gguf_export/", "lab/"),
    "gguf": ("gguf_export/",),
    "mlx_lm": ("engines/mlx/", "lab/"),
    "click": ("cli/",),
    "rich": ("cli/", "report/"),
    "huggingface_hub": ("checkpoints/",),
    "httpx2": ("http_client/",),
    "matplotlib": ("report/",),
    "sqlite3": ("store/",),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything imported, at the top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unit(path: str) -> str:
    """The first part of a module's path: the thing that has a layer."""
    return path.split("/")[0].removesuffix(".py")


def layer(name: str) -> int | None:
    return next((i for i, names in enumerate(LAYERS) if name in names), None)


def test_every_module_has_a_layer() -> None:
    assert {unit(path) for path, _ in modules()} - {"__init__"} == set().union(*LAYERS)


def test_modules_import_only_from_earlier_layers_or_their_own_package() -> None:
    wrong = []
    for path, tree in modules():
        own = unit(path)
        for name in imported(tree):
            parts = name.split(".")
            if parts[0] != "mlxbench" or len(parts) < 2 or parts[1] == own:
                continue
            used, here = layer(parts[1]), layer(own)
            if used is not None and here is not None and used >= here:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_engines_never_import_each_other() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        if path.startswith("engines/") and path != "engines/__init__.py"
        for name in imported(tree)
        if name.startswith("mlxbench.engines.")
        and name.split(".")[2]
        not in ("protocol", "serving", path.split("/")[1].removesuffix(".py"))
    ]
    assert wrong == []


def test_measure_sees_engines_only_through_their_protocol() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        if path.startswith("measure/")
        for name in imported(tree)
        if name.startswith("mlxbench.engines.") and name.split(".")[2] not in ("protocol", "engine")
    ]
    assert wrong == []


def test_outside_libraries_stay_where_they_belong() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        for name in imported(tree)
        for library, places in ONLY_IN.items()
        if name.split(".")[0] == library and not path.startswith(places)
    ]
    assert wrong == []


def test_nothing_reads_the_wall_clock_to_measure() -> None:
    """`time.time` jumps when the clock is set; UTC dates are labels and come from datetime."""
    wrong = [
        path
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "time"
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    ]
    assert wrong == []


def test_files_and_functions_stay_small() -> None:
    long_files = [
        path for path, _ in modules() if len((PACKAGE / path).read_text().splitlines()) > 350
    ]
    long_functions = [
        f"{path}:{node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > 50
    ]
    assert (long_files, long_functions) == ([], [])
