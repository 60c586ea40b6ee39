"""The package installs as an ordinary wheel that carries its data."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_models_sentences_kernels_and_poems(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "mlxbench/data/models.toml",
        "mlxbench/data/sentences.txt",
        "mlxbench/data/kernels/README.md",
    } <= names
    poems = ("heldout", "controls", "ladder")
    assert {f"mlxbench/acrostic/data/{name}.toml" for name in poems} <= names
    assert {f"mlxbench/lab/msl/native/{name}" for name in ("msl.h", "scheduler.cpp")} <= names
    assert {"mlxbench/lab/cuda/prelude.h", "mlxbench/lab/template/kernel.metal"} <= names
    page = ("page.html.jinja", "report.md.jinja", "style.css")
    assert {f"mlxbench/report/page/{name}" for name in page} <= names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_an_unpacked_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = "from mlxbench import registry; print(registry.builtin_file()); registry.load()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == tmp_path / "mlxbench" / "data" / "models.toml"
