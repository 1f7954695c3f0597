"""What Airflow is told of this package: the entry point `apache_airflow_provider`."""

from __future__ import annotations

from typing import Any

from sparksig._version import __version__


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the form of Airflow's `provider_info.schema.json`.

    >>> get_provider_info()["package-name"]
    'sparksig'
    """
    name = "sparksig"
    return {
        "package-name": "sparksig",
        "name": name,
        "description": "Model signatures enforced on Spark tables: validation and scoring as tasks",
        "versions": [__version__],
        "integrations": [{"integration-name": name, "tags": ["software"]}],
        "operators": [
            {
                "integration-name": name,
                "python-modules": ["sparksig.airflow.operators", "sparksig.airflow.gates"],
            }
        ],
        "extra-links": ["sparksig.airflow.links.ReportLink"],
    }
