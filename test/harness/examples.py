# SPDX-License-Identifier: PostgreSQL
"""Compares what an example prints with examples/expected/NAME.txt (NAME.again.txt: a second run on
the same database), with what differs from run to run taken out of both."""

import difflib
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"
EXPECTED = FOLDER / "expected"

VOLATILE = [
    (r"^\S+ \(database\)$", "<database> (database)"),
    (r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"_[0-9a-f]{6}\b", "_<hash>"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?", "<time>"),
    (r"[ \t]*\b\d+(\.\d+)? ?(bytes|B|[kKMGT]i?B)\b", " <size>"),
    (r"[ \t]*\b\d+(\.\d+)? ?(ms|us|µs|s)\b", " <duration>"),
    (r"\bPostgreSQL \d+(\.\d+)*", "PostgreSQL <version>"),
    (r"[ \t]+$", ""),
]


def normalise(text):
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text, flags=re.M)
    return text.rstrip("\n") + "\n"


def names():
    """Every example; a file without main() is part of one."""
    return [path.stem for path in sorted(FOLDER.glob("*.c")) if re.search(r"^int main\(", path.read_text(), re.M)]


def expected_path(name, again):
    return EXPECTED / (name + (".again.txt" if again else ".txt"))


def accept(name, again, output):
    EXPECTED.mkdir(exist_ok=True)
    expected_path(name, again).write_text(normalise(output), encoding="utf-8")


def compare(name, again, output):
    """The difference as text; "" when there is none."""
    path = expected_path(name, again)
    if not path.exists():
        return "there is no %s; test/run --accept %s makes it of this:\n%s" % (path.name, name, output)
    wanted = normalise(path.read_text(encoding="utf-8")).splitlines()
    got = normalise(output).splitlines()
    return "\n".join(difflib.unified_diff(wanted, got, "expected", "printed", lineterm=""))
