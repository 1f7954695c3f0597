"""Options that several commands take, and the settings of the job as flags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sparksig.errors import ConfigError, Problem

if TYPE_CHECKING:
    from sparksig.pipeline.config import JobConfig

_Config = TypeVar("_Config", bound="JobConfig")

level_option = click.option(
    "--level",
    type=click.Choice(["strict", "safe", "checked", "parse"]),
    default="safe",
    show_default=True,
    help="How far casts may go: strict not at all, safe without loss whatever the row, checked where the row's value"
    " fits exactly, parse also from text.",
)
rounding_option = click.option("--allow-rounding", is_flag=True, help="Let numbers be rounded to the nearest float.")
nulls_option = click.option("--allow-nulls", is_flag=True, help="Let required columns hold nulls.")
absent_option = click.option(
    "--on-absent",
    type=click.Choice(["warn", "error", "ignore"]),
    default="warn",
    show_default=True,
    help="How an optional column that the table does not have is reported.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of words.")
verbose_option = click.option(
    "--verbose", is_flag=True, help="Leave Spark's own output on the terminal, and show tracebacks."
)


input_option = click.option(
    "--input-option",
    "input_options",
    multiple=True,
    metavar="K=V",
    help="An option of Spark's reader that chooses files: recursiveFileLookup, pathGlobFilter, basePath. Repeatable.",
)


def given_options(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """The options of a reader that K=V arguments name.

    Raises:
        ConfigError: an argument is not of that form.
    """
    problems: list[Problem] = []
    options = _pairs(flag, texts, problems)
    if problems:
        raise ConfigError("the options cannot be used", problems)
    return options


class JobCommand(click.Command):
    """A command that takes settings of the batch job as flags.

    These are made once they are asked for: what they are made of imports numpy, which most commands do without.
    """

    def __init__(self, *args: Any, settings: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._groups, self._ready = settings, False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The job's settings among the command's own options, behind the first of them."""
        if not self._ready:
            self._ready = True
            from dataclasses import fields

            from sparksig.pipeline.config.declared import setting_of
            from sparksig.pipeline.config.job import JobConfig

            found = sorted(fields(JobConfig), key=lambda one: GROUPS.index(setting_of(one).group))
            self.params[1:1] = [_flag(one) for one in found if setting_of(one).group in self._groups]
        return super().get_params(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`plan` takes a model and a table as they stand, and so people try it here."""
        ctx.allow_extra_args = True
        if (rest := super().parse_args(ctx, args)) and not ctx.resilient_parsing:
            ctx.fail(f"{len(rest)} word(s) too many: the table goes behind --input, the model behind --model.")
        return rest


GROUPS = ("Source", "Model", "What a row may be", "How many bad rows are too many", "Outputs", "The run", "Lineage")
CHECKED = tuple(group for group in GROUPS if group not in ("Outputs", "The run"))
config_option = click.option(
    "--config", "config_file", metavar="FILE", help="A YAML file; a flag wins over what it says."
)


def _flag(one: Field[Any]) -> click.Option:
    """The option for a field of `JobConfig`; what is not given is None or empty."""
    from sparksig.pipeline.config.declared import flag_of, setting_of

    setting, flag, kind = setting_of(one), flag_of(one), str(one.type)
    told: dict[str, Any] = {"help": setting.help.replace("`", ""), "default": None}
    if isinstance(one.default, str):  # only told: the default itself may stand in the file as well
        told["show_default"] = one.default
    if kind.startswith("bool"):
        return click.Option([f"{flag}/--no-{flag[2:]}", one.name], **told)
    several = kind.startswith(("Mapping", "tuple"))
    told |= {"metavar": setting.metavar, "multiple": several}
    if several:
        told["help"] += " Repeatable."
    if setting.choices and not several:
        told |= {"type": click.Choice(setting.choices), "metavar": None}
    elif kind.startswith(("int", "float")):
        told["type"] = int if kind.startswith("int") else float
    return click.Option([flag, one.name], **told)


def given_config(flags: Mapping[str, Any], config_file: str | None, kind: type[_Config]) -> _Config:
    """The configuration that flags, file and environment say together."""
    from dataclasses import fields

    from sparksig.pipeline.config.declared import flag_of
    from sparksig.pipeline.config.job import JobConfig
    from sparksig.pipeline.config.settings import CONFIG_VARIABLE, read_config

    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    if not given and not config_file and not os.environ.get(CONFIG_VARIABLE):
        raise click.UsageError("Nothing is given: name a file with --config, or a table and a model.")
    problems: list[Problem] = []
    for one in fields(JobConfig):
        if one.name in given and str(one.type).startswith("Mapping"):
            given[one.name] = _pairs(flag_of(one), given[one.name], problems)
    return read_config(given, config_file, os.environ, kind, problems)


def _pairs(flag: str, texts: Sequence[str], problems: list[Problem]) -> dict[str, str]:
    """Entries of a map, each K=V; what is wrong with them is added to the problems."""
    pairs = [text.partition("=") for text in texts]
    for place, (name, equals, _) in enumerate(pairs, 1):
        if not equals or not name:
            # what stands without a '=' may be a value, so only its place is told
            problems.append(Problem(flag, f"number {place} is not of the form K=V"))
        elif name in [other for other, *_ in pairs[: place - 1]]:
            problems.append(Problem(flag, f"{name} is given twice"))
    return {name: value for name, _, value in pairs}
