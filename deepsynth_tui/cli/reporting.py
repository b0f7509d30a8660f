"""What a command says at its end: JSON, or an error on stderr and the exit code of its kind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class BadInput(Exception):
    """Input that is no configuration but wrong all the same: exit 2."""


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that rooms raise for people into a message on stderr and an exit code."""
    from deepsynth_tui.child_process import ChildError
    from deepsynth_tui.config.problems import ConfigError
    from deepsynth_tui.machine.gpu_catalogue import CatalogueError
    from deepsynth_tui.runs.directory import RunDirectoryError
    from deepsynth_tui.runs.errors import RunError

    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (BadInput, RunDirectoryError, CatalogueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (RunError, ChildError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # `deepsynth-tui logs RUN | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def print_json(value: object) -> None:
    """Print a line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=None, default=dict))
