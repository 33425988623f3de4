"""The commands put together, and the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from layda.cli.console import fail, safe_streams
from layda.cli.diagnose import diagnose
from layda.cli.lab import lab
from layda.cli.lecture import lecture
from layda.cli.lists import objectives, rules
from layda.cli.race import race
from layda.cli.sweep import basins, cache, sweep
from layda.cli.theory import theory
from layda.cli.tune import tune
from layda.cli.weights import weights
from layda.errors import FormulaError, LaydaError
from layda.settings import name_here
from layda.specs.files import failure_in_file

__all__ = ["app", "run"]

app = typer.Typer(
    name="layda",
    help="Gradient descent with momentum: runnable, visible, explained.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("race")(race)
app.command("sweep")(sweep)
app.command("basins")(basins)
app.command("diagnose")(diagnose)
app.command("tune")(tune)
app.command("lab")(lab)
app.command("lecture")(lecture)
app.command("theory")(theory)
app.command("weights")(weights)
app.command("rules")(rules)
app.command("objectives")(objectives)
app.add_typer(cache, name="cache")

_CLICK_EXCEPTION = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def _version(asked: bool) -> None:
    if asked:
        from layda._version import __version__

        typer.echo(f"layda {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Gradient descent with momentum: runnable, visible, explained."""


def run(arguments: list[str]) -> int:
    """Run the command line; every expected error is one line on stderr and exit code 2."""
    safe_streams()
    try:
        result: Any = app(arguments or ["--help"], prog_name="layda", standalone_mode=False)
    except FormulaError as error:
        return fail(_marked(error))
    except LaydaError as error:
        return fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("layda: stopped; nothing was written\n")
        return 130
    except BrokenPipeError:
        # The reader went away (head, less): there is nobody left to tell.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
        return 0
    except Exception as error:
        if isinstance(error, _CLICK_EXCEPTION):
            message = _usage(error)
            return fail(message) if message else 2
        told = failure_in_file(error)
        if told is None:
            raise
        return fail(told)
    return result if isinstance(result, int) else 0


def _usage(error: Any) -> str:
    """What Click says of a command that cannot be read, and how other libraries' names are spelt here."""
    message: str = error.format_message()
    given = getattr(getattr(error, "ctx", None), "command", None)
    options = {name for option in getattr(given, "params", ()) for name in option.opts if name.startswith("--")}
    unknown = getattr(error, "option_name", None)
    if unknown is not None:
        known = {option[2:].replace("-", "_"): option for option in sorted(options)}
        hint = name_here(unknown.lstrip("-"), known)
        if hint.startswith("here"):
            for name, option in known.items():
                hint = hint.replace(name, option)
            return f"No such option: {unknown}; {hint}"
    if "--rule" in options and "unexpected extra argument" in message:
        return f"{message}; allowed is one objective before the options; rules are given as --rule NAME:key=value"
    return message


def _marked(error: FormulaError) -> str:
    """The mistake and its place in one line: the place stands between ‹ and ›."""
    words = str(error).split("\n")[0]
    if not error.text.strip():
        return words
    start = max(0, min(error.position, len(error.text)))
    end = min(len(error.text), start + max(error.length, 1))
    marked = f"{error.text[:start]}‹{error.text[start:end]}›{error.text[end:]}"
    if len(marked) > 160:
        marked = f"…{marked[max(0, start - 60) : end + 60]}…"
    return f"{words} Here: {' '.join(marked.split())}"
