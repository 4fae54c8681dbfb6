"""The command `atrous train`: a task has the options that its recipe has."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from atrous.cli import messages
from atrous.cli.words import integers, numbers
from atrous.recipes import TASKS

DEFAULT_TASK = next(iter(TASKS))


class TrainCommand(TyperCommand):
    """Knows the options of every task, and shows and takes those of the one that is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Finds the task first.

        Raises:
            ValueError: An option belongs to another task.
        """
        task = self._task(args)
        taken = {option: param for param in self.params for option in (*param.opts, *param.secondary_opts)}
        for word in args:
            option = word.partition("=")[0]
            if option.startswith("--") and option in taken and not _is_of(taken[option].name, task):
                others = ", ".join(other for other in TASKS if _is_of(taken[option].name, other))
                raise ValueError(
                    f"`{option}` must be an option of the task, {task}. Received: an option of {others}. "
                    f"See: atrous train {task} --help"
                )
        ctx.meta["task"] = task
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters that all tasks have, and those of the task."""
        task = ctx.meta.get("task", DEFAULT_TASK)
        return [_as_of(param, task) for param in super().get_params(ctx) if _is_of(param.name, task)]

    def _task(self, args: Sequence[str]) -> str:
        """The first word that is neither an option nor its value, if it is a task."""
        flags = {option for param in self.params if getattr(param, "is_flag", False) for option in param.opts}
        flags |= {option for param in self.params for option in param.secondary_opts} | {"-h", "--help"}
        value = False
        for word in args:
            if not value and not word.startswith("-"):
                return word if word in TASKS else DEFAULT_TASK
            value = not value and word.startswith("--") and "=" not in word and word not in flags
        return DEFAULT_TASK


def _as_of(param: Any, task: str) -> Any:
    """An option that several tasks have, with the words of this one."""
    field = TASKS[task].options().get(param.name)
    if field is None:
        return param
    param = copy.copy(param)
    param.help = field.metadata["help"]
    return param


def _is_of(name: str | None, task: str) -> bool:
    every = {option for each in TASKS for option in _options(each)}
    return name not in every or name in _options(task)


def train(
    task: Annotated[
        str | None, typer.Argument(help=f"{', '.join(TASKS)}. Default: {DEFAULT_TASK}.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Built-in data (fashion-mnist, fashion-mnist-full, cifar10), or a folder, or a file."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run folder to make. Default: runs/<data>.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on with this run; with --epochs, for longer; with --learning-rate, in other steps."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="One line an epoch, as when not on a terminal.")] = False,
    **options: Any,
) -> None:
    """Train a network, test it and write a report.

    The options are those of the task: `atrous train TASK --help`. What is not given is chosen by the recipe for the task
    and the data: see `atrous recipes`.
    """
    workflow = messages.load_workflow(quiet)
    progress = workflow.shown.choose(quiet or None)
    choices = {name for recipe in TASKS.values() for name in recipe.options()}
    given = {name: _parsed(name, value) for name, value in options.items() if name in choices and value is not None}
    given |= {name.removeprefix("no_"): () for name, none in options.items() if name not in choices and none}
    try:
        workflow.train(task, data, output=output, resume=resume, progress=progress, **given)
    except KeyboardInterrupt:
        messages.interrupted(progress.run)
        raise typer.Exit(130) from None
    except OSError as error:
        if error.errno is None or progress.run is None:  # a mistake in the arguments, which says so itself
            raise
        raise OSError(
            f"{error.strerror or error}: {error.filename or progress.run.path}. No finished epoch is lost. When there is room "
            f"to write, continue with: atrous train --resume {progress.run.path}"
        ) from error


def register(app: typer.Typer) -> None:
    """Adds the command to the application: its own parameters, then a parameter a choice of any recipe."""
    kinds = {name: kind for task in TASKS for name, kind in _options(task).items()}
    known = inspect.signature(train, eval_str=True)
    own = [parameter for parameter in known.parameters.values() if parameter.name != "options"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in kinds.items()
    ]

    def command(**given: Any) -> None:
        train(**given)

    every = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own[:2], *more, *own[2:])]
    command.__doc__ = train.__doc__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    setattr(command, "__signature__", known.replace(parameters=every))  # noqa: B010  functions are typed without it
    app.command("train", cls=TrainCommand)(command)


@functools.cache  # it is asked for every parameter, and evaluating annotations takes a while
def _options(task: str) -> dict[str, Any]:
    """For each choice of a task, an annotation as Typer takes it; names and numbers in lists have commas between."""
    recipe = TASKS[task]
    hints = typing.get_type_hints(recipe)
    found: dict[str, Any] = {}
    for name, field in recipe.options().items():
        found[name] = _option(name, hints[name], field)
        if _has_names(hints[name]):
            found[f"no_{name}"] = Annotated[bool, typer.Option(f"--no-{name.replace('_', '-')}", help="None of them.")]
    return found


def _option(name: str, hint: Any, field: dataclasses.Field[Any]) -> Any:
    flag = field.metadata["flag"] or "--" + name.replace("_", "-")
    kind = next(each for each in (typing.get_args(hint) or (hint,)) if each is not type(None))
    metavar = field.metadata["metavar"]
    if typing.get_origin(hint) is tuple or typing.get_origin(kind) is tuple:
        kind, metavar = str, metavar or ("NAME,…" if _has_names(hint) else "N,N,…")
    if field.type == "bool":
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=field.metadata["help"], show_default=False)]
    return Annotated[kind | None, typer.Option(flag, metavar=metavar, help=field.metadata["help"], show_default=False)]


def _has_names(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple and str in typing.get_args(hint)


def _parsed(name: str, value: Any) -> Any:
    """What a recipe takes, of what was typed."""
    hint = next(typing.get_type_hints(recipe)[name] for recipe in TASKS.values() if name in recipe.options())
    if not isinstance(value, str) or "tuple" not in str(hint):
        return value
    if _has_names(hint):
        return tuple(value.split(","))
    return numbers(name, value) if float in typing.get_args(hint) else integers(name, value)
