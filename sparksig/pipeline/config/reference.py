"""The text of `docs/config.md`, made of the settings themselves; `make docs` writes it."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from sparksig.pipeline.config.declared import flag_of, setting_of
from sparksig.pipeline.config.job import JobConfig
from sparksig.pipeline.config.settings import CONFIG_VARIABLE, config_schema, in_words

_HEAD = """\
# Configuration of the batch job

<!-- Made of the settings themselves by `make docs`; do not edit. -->

`sparksig score` and `sparksig validate`, as `jobs/batch_score.py` and `jobs/validate.py` too, take one YAML file,
flags, or both:

```console
sparksig score --config job.yaml --run-id 2026-01-31 --param threshold=0.4
```

```yaml
input: landing/flights/
format: csv
input_options: {header: true, inferSchema: true}
where: origin = 'JFK'
model: models/delay/
params: {threshold: 0.4}
level: {dep_delay: checked, "*": safe}
output: out/scored/
quarantine: out/quarantine/
summary: out/summary.json
max_bad_ratio: 0.01
column_actions: {dep_time: warn, carrier: error}
```

What is said wins in this order: a flag, the file, an environment variable, the default. Maps are put together entry
by entry: `--param threshold=0.4` leaves the file's other params as they are; a list that is given takes the place of
another. A relative path, in the file too, is one from the folder where the command runs. `sparksig validate` takes
the same file and passes over what it does not need.

An unknown key is an error, and so are a key that stands twice, an alias or a tag, a value of another type and a key
without a value. All that is wrong is told at once, by file and key and without values, with exit code 2. Scalars are
read as YAML 1.2 has them: `no`, `on`, `2026-01-31`, `1:30` and `007` are texts. `sparksig config-schema` prints the
file's JSON Schema.

No value of `params`, `input_options` and `output_options` is shown anywhere, nor is the text of `where`. `where` and
names of tables must not hold `${`, because Spark would put the environment or its settings there.

The environment is asked for these variables and no others of ours; an empty one is not given.

| variable | stands in for |
|---|---|
"""


def config_markdown() -> str:
    """The text of `docs/config.md`."""
    variables = {CONFIG_VARIABLE: "--config"}
    variables |= {setting_of(one).env: flag_of(one) for one in fields(JobConfig) if setting_of(one).env}
    lines = [_HEAD + "\n".join(f"| `{name}` | `{flag}` |" for name, flag in variables.items())]
    declared = config_schema()["properties"]
    groups: dict[str, list[str]] = {}
    for one in fields(JobConfig):
        groups.setdefault(setting_of(one).group, []).append(_row(one, declared[one.name]))
    for group, rows in groups.items():
        lines += ["", f"## {group}", "", "| key | flag | in a file | default | |", "|---|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(one: Field[Any], schema: dict[str, Any]) -> str:
    default = "" if one.default in (MISSING, None, "", ()) else f"`{str(one.default).lower()}`"
    help = setting_of(one).help
    cells = (f"`{one.name}`", f"`{flag_of(one)}`", in_words(schema), default, help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(config_markdown(), end="")
