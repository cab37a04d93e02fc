"""Result of a ranking for JSON."""

from __future__ import annotations

import json

import jsonschema

from anoonly_core.cli.schema import load_schema
from anoonly_core.which.result import which_result
from anoonly_core.which.summary import summarize
from tests.core.which.made import THREE, plan_of, result_of


def test_the_summary_fits_its_schema() -> None:
    for result in (result_of(dict.fromkeys(THREE, 0.5)), which_result(plan_of(seeds=1), {})):
        report = json.loads(json.dumps(summarize(result)))
        jsonschema.Draft202012Validator(load_schema("which")).validate(report)
