#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The runner can tell good from bad: what it makes of programs that fail, crash, hang, say less than
they promised, or say nothing at all; and what the comparison of examples lets through."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "harness"))

import examples  # noqa: E402
import runner  # noqa: E402

GOOD = "1..2\nok 1 - a\nok 2 - b\n"
TAP = [
    ("all passed", GOOD, 0, (2, 0)),
    ("one failed", "1..2\nok 1 - a\nnot ok 2 - b\n", 1, (1, 1)),
    ("a plan that was not kept", "1..3\nok 1 - a\n", 0, (1, 2)),
    ("a bad exit after good lines", GOOD, 99, (2, 1)),
    ("a crash before the first line", "", -11, (0, 1)),
    ("silence", "", 0, (0, 1)),
    ("two groups of tests", GOOD + GOOD, 0, (4, 0)),
    ("a word that only begins like ok", "okay\n", 0, (0, 1)),
]
UNITTEST = [
    ("unittest that passed", "...\nRan 3 tests in 0.1s\n\nOK\n", 0, (3, 0)),
    ("unittest that failed", "F.E\nRan 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n", 1, (1, 2)),
    ("unittest that ran nothing", "\nRan 0 tests in 0.0s\n\nOK\n", 0, (0, 1)),
    ("a plain script that passed", "hello\n", 0, (1, 0)),
    ("a plain script that failed", "hello\n", 1, (0, 1)),
]
SAME = [
    ("tenant_acme_5d448a", "tenant_acme_0a1b2c"),
    ("id 6f9619ff-8b86-d011-b42d-00cf4fc964ff", "id 00000000-0000-0000-0000-000000000000"),
    ("nmt_requests   8192 bytes", "nmt_requests  16 kB"),
    ("took 1.25 ms", "took 310 ms"),
    ("at 2026-01-02 03:04:05.678+00", "at 2027-11-12 13:14:15+00"),
]
DIFFERENT = [("3 rows", "4 rows"), ("tenant_acme", "tenant_globex"), ("a\nb", "a"), ("tenant_acme_5d448a", "tenant_acme")]


def programs():
    """(name, command, what its status must be)."""
    environment = dict(os.environ)
    return [
        ("a program that crashes", runner.run_program(["sh", "-c", "kill -SEGV $$"], environment, 30), "crashed: SIGSEGV"),
        ("a program that hangs", runner.run_program(["sh", "-c", "sleep 60"], environment, 0.2), "stopped: it ran"),
        ("what a program leaves running", runner.run_program(["sh", "-c", "sleep 60 & echo $!"], environment, 30), "left"),
    ]


def is_gone(process):
    """A killed orphan may still be in the table for a moment, or as a zombie, but it does not run."""
    for _ in range(100):
        try:
            if pathlib.Path("/proc/%s/stat" % process).read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def checks():
    for name, output, status, wanted in TAP:
        yield name, runner.count_tap(output, status) == wanted
    for name, output, status, wanted in UNITTEST:
        yield name, runner.count_unittest(output, status) == wanted
    for name, (status, output), text in programs():
        if text == "left":
            yield name, status == 0 and is_gone(output.strip())
        else:
            yield name, status != 0 and text in output
    for one, other in SAME:
        yield "the same: " + one, examples.normalise(one) == examples.normalise(other)
    for one, other in DIFFERENT:
        yield "not the same: " + one.splitlines()[0], examples.normalise(one) != examples.normalise(other)


def main():
    rows = list(checks())
    print("1..%d" % len(rows))
    for number, (name, good) in enumerate(rows, 1):
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    sys.exit(0 if all(good for _, good in rows) else 1)


if __name__ == "__main__":
    main()
