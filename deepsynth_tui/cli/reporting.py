"""How a command ends: JSON on stdout, or an error on stderr and the exit code of its kind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from deepsynth_tui.errors import UserError
from deepsynth_tui.terminal_text import terminal_text

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class BadInput(UserError):
    """An argument is wrong: exit code 2."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Print errors that the user can act on to stderr, and exit with the code of their kind."""
    from deepsynth_tui.config.problems import ConfigError
    from deepsynth_tui.machine.gpu_catalogue import CatalogueError
    from deepsynth_tui.runs.directory import RunDirectoryError
    from deepsynth_tui.training.stored_adapter import AdapterNotFound

    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            echo(str(problem), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (BadInput, RunDirectoryError, CatalogueError, AdapterNotFound) as error:
        echo(str(error), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except UserError as error:
        echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of `deepsynth-tui logs RUN | head` has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print `text` on stdout or stderr, without what would act on the terminal."""
    typer.echo(terminal_text(text), err=err, nl=nl)


def print_json(value: object) -> None:
    """Print `value` as one line of JSON, in printable ASCII."""
    text = json.dumps(value, ensure_ascii=True, indent=None, default=dict)
    echo(text.replace("\x7f", "\\u007f"))
