#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Rules of lint: those of the closed list are those in doc/guide/migrations-files.md, with their levels, and
each is broken by some test."""

import re

import lint

LIST, PAGE, TESTS = "lib/migrate/lint.c", "doc/guide/migrations-files.md", "test/unit/test_migrations_lint.c"


def check(tree):
    problems, tests = [], tree.read(TESTS)
    listed = re.findall(r'\{"([a-z]+(?:-[a-z]+)*)",\s*"(error|warning|notice)",', tree.read(LIST))
    rows = re.findall(r"^\| `([a-z]+(?:-[a-z]+)*)` \| (error|warning|notice) \| \S.* \|$", tree.read(PAGE), re.M)
    for row in listed:
        if row not in rows:
            problems.append("%s has no row for the rule %s of level %s" % ((PAGE,) + row))
        if '"%s"' % row[0] not in tests:
            problems.append("%s: no test breaks the rule %s" % (TESTS, row[0]))
    for row in rows:
        if row not in listed:
            problems.append("%s: there is no rule %s of level %s" % ((PAGE,) + row))
    if len(listed) < 20 or len({rule for rule, _ in listed}) != len(listed):
        problems.append("%s cannot be read any more, or has a rule twice" % LIST)
    return problems


if __name__ == "__main__":
    lint.main("rules of lint documented", check, {
        "a rule without a row": lambda tree: tree.replace(PAGE, "| `marker` | error |", "| `markers` | error |"),
        "another level": lambda tree: tree.replace(PAGE, "| `blocking-index` | warning |", "| `blocking-index` | error |"),
        "a rule that no test breaks": lambda tree: tree.write(TESTS, tree.read(TESTS).replace('"mixed-kinds"', '"x"')),
    })
