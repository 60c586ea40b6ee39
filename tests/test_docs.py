"""The documentation says what the program does, and names what exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlxbench.cli import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(group: click.Group, prefix: str = "mlxbench") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


COMMANDS = dict(commands(cli))


def takes_options(group: click.Group, words: list[str]) -> bool:
    """Whether a group is run by itself, with options in place of a command."""
    return group.invoke_without_command and words[:1] != [] and words[0].startswith("-")


RUN = [
    name
    for name, command in COMMANDS.items()
    if not isinstance(command, click.Group) or command.invoke_without_command
]


@pytest.mark.parametrize("name", RUN)
def test_every_command_is_in_the_readme_and_has_help(name: str) -> None:
    assert name in README
    assert COMMANDS[name].help


def test_every_option_has_help() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def console_lines(text: str) -> list[str]:
    """The commands of all shell blocks."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(\./scripts/)?mlxbench ", line)]


@pytest.mark.parametrize(
    "line", [line for page in PAGES for line in console_lines(page.read_text())]
)
def test_every_command_line_shown_is_one_that_the_program_takes(line: str) -> None:
    words = shlex.split(re.sub(r"#.*|\|.*", "", line).removeprefix("./scripts/"))[1:]
    context = click.Context(cli, info_name="mlxbench")
    command: click.Command = cli
    while isinstance(command, click.Group) and not takes_options(command, words):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.parse_args(context, list(words))


def test_links_and_files_named_in_the_documentation_exist() -> None:
    missing = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert missing == []


def tree_entries() -> list[str]:
    """The paths of the README's annotated tree, by its indentation."""
    (block,) = re.findall(r"## The files\n\n```text\n(.*?)```", README, flags=re.DOTALL)
    paths, folders = [], [""]
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        del folders[depth + 1 :]
        paths.append(folders[depth] + name)
        if name.endswith("/"):
            folders.append(folders[depth] + name)
    return paths


def test_the_file_tree_shows_what_exists() -> None:
    assert [path for path in tree_entries() if not (ROOT / path).exists()] == []


def test_the_file_tree_leaves_out_no_part_of_the_package() -> None:
    shown = set(tree_entries())
    parts = {
        f"mlxbench/{path.name}" + ("/" if path.is_dir() else "")
        for path in (ROOT / "mlxbench").iterdir()
        if path.name not in ("__pycache__", "__init__.py")
    }
    assert parts - shown == set()


def test_no_file_names_a_package_registry() -> None:
    hosts = re.compile("|".join(["pypi" + r"\.org/simple", "python" + r"hosted\.org"]))
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    files = [
        ROOT / name for name in tracked if name.endswith((".md", ".toml", ".txt", ".py", ".yml"))
    ]
    assert [path.name for path in files if path.exists() and hosts.search(path.read_text())] == []


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(need for extra in extras for need in extra)]
    names = {re.split(r"[^A-Za-z0-9_-]", need)[0].lower().replace("_", "-") for need in wanted}
    assert names - pinned == set()
