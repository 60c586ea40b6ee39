"""The command line: parse, call, print. Nothing else in mlxbench imports it.

Commands are imported when they are used, and heavy libraries inside them, so that `--help` and
`results list` never pay for MLX.
"""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from mlxbench import __version__
from mlxbench.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, MlxbenchError

COMMANDS = {
    "decode": "mlxbench.cli.timing",
    "prefill": "mlxbench.cli.timing",
    "compare": "mlxbench.cli.compare",
    "ab": "mlxbench.cli.ab",
    "probe": "mlxbench.cli.probe",
    "lab-note": "mlxbench.cli.lab_note",
    "kernels": "mlxbench.cli.kernels",
    "claims": "mlxbench.cli.claims",
    "roofline": "mlxbench.cli.roofline",
    "models": "mlxbench.cli.models",
    "results": "mlxbench.cli.results",
    "doctor": "mlxbench.cli.doctor",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules named in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@click.version_option(__version__, prog_name="mlxbench")
def cli() -> None:
    """Decode and prefill rates of language models, measured in process with MLX.

    Start with `mlxbench decode --model tiny-moe`: it downloads nothing.
    """


def main() -> None:
    """Run the command line and leave with its exit code: see `mlxbench.errors`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a measurement must not be lost to a "±"
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(prog_name="mlxbench", standalone_mode=False)
    except MlxbenchError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(EXIT_BAD_INPUT)
    except click.ClickException as error:
        _fail(_usage_message(error), EXIT_BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; what was measured so far is kept", EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of our output left: `mlxbench results list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(0)
    except OSError as error:  # ours are translated where they happen: this is our own output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"cannot write the output ({error.strerror}); what was measured is kept", EXIT_FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path} --help`" if context else message


def _fail(message: str, code: int) -> None:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(code)
