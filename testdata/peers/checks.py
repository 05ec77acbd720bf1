#!/usr/bin/env python3
"""checks.py DIR: the verdicts of one run of the conformance suite, as sorted TSV.

One line for each check: scenario, check id, status. Checks of status INFO are left
out: they are the suite's own notes and differ from run to run. Two runs say the same
about a server exactly when their lines are the same, repeats included:

    diff <(checks.py direct) <(checks.py proxied)

Exit codes: 0 printed, 1 DIR holds no verdicts, 2 wrong call.
"""

import json
import pathlib
import re
import sys

# server-<scenario>-2026-11-22T14-48-55-044Z
DIRECTORY = re.compile(r"^(?:server-)?(?P<scenario>.+?)-\d{4}-\d{2}-\d{2}T[\dTZ.-]+$")


def verdicts(directory: pathlib.Path) -> list[tuple[str, str, str]]:
    """All (scenario, check id, status) below `directory`, sorted, without INFO."""
    found = []
    for path in directory.rglob("checks.json"):
        # client scenarios like auth/metadata-default lie one directory deeper
        name = path.parent.relative_to(directory).as_posix()
        match = DIRECTORY.match(name)
        scenario = match["scenario"] if match else name
        for check in json.loads(path.read_text(encoding="utf-8")):
            if check["status"] != "INFO":
                found.append((scenario, check["id"], check["status"]))
    return sorted(found)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: checks.py DIR", file=sys.stderr)
        return 2
    found = verdicts(pathlib.Path(arguments[0]))
    if not found:
        print(f"error: no checks.json below {arguments[0]}", file=sys.stderr)
        return 1
    for verdict in found:
        print("\t".join(verdict))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
