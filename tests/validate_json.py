#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Checks JSON files against a JSON schema: tests/validate_json.py SCHEMA FILE...

Prints one line for each thing that is wrong, with its place in the file; exits with 1 if there was any.
"""
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    sys.exit("validate_json: no jsonschema for python3: run scripts/install-deps --dev")


def not_json(constant):
    raise ValueError(f"{constant} is not JSON")  # Python reads NaN and Infinity, other readers do not


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file, parse_constant=not_json)
    except (OSError, ValueError) as error:
        sys.exit(f"validate_json: {path}: {error}")


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: tests/validate_json.py SCHEMA FILE...")
    schema_path, *paths = sys.argv[1:]
    schema = load(schema_path)
    validator = jsonschema.validators.validator_for(schema)
    try:
        validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        sys.exit(f"validate_json: {schema_path} is no schema: {error.message}")

    # A schema may point into another of its folder.
    here = pathlib.Path(schema_path).resolve().as_uri()
    validator = validator(schema, resolver=jsonschema.RefResolver(here, schema))

    wrong = 0
    for path in paths:
        for error in sorted(validator.iter_errors(load(path)), key=lambda found: found.json_path):
            print(f"{path}: {error.json_path}: {error.message:.300}", file=sys.stderr)
            wrong += 1
    if wrong:
        sys.exit(f"validate_json: {wrong} wrong against {schema_path}")
    print(f"{', '.join(paths)}: valid against {schema_path}")


if __name__ == "__main__":
    main()
