#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Findings of a diagnosis: those of the closed list are those in doc/guide/diagnosis.md, each is found
by some question and provoked by some test, and no other code is used."""

import re

import lint

LIST, PAGE = "lib/tenant/diagnose_finding.c", "doc/guide/diagnosis.md"
# No server of the tests can be older than the library allows: a stand-in says that it is.
TESTS = ("test/integration/test_*.c", "test/fault/test_old_server.c")


def findings(tree):
    """(code, level) as the list has them; a row may be broken over lines."""
    return re.findall(r'\{"([a-z]+(?:-[a-z]+)+)",\s*"(error|warning|notice)",', tree.read(LIST))


def text_of(tree, *patterns):
    return "\n".join(path.read_text(encoding="utf-8") for path in tree.files(*patterns) if tree.name(path) != LIST)


def check(tree):
    problems, listed = [], findings(tree)
    codes = [code for code, _ in listed]
    library, tests = text_of(tree, "lib/tenant/diagnose*.c"), text_of(tree, *TESTS)
    rows = re.findall(r"^\| `([a-z]+(?:-[a-z]+)+)` \| (error|warning|notice) \| \S.* \|$", tree.read(PAGE), re.M)
    for row in listed:
        if row not in rows:
            problems.append("%s has no row for the finding %s of level %s" % ((PAGE,) + row))
    for row in rows:
        if row not in listed:
            problems.append("%s: there is no finding %s of level %s" % ((PAGE,) + row))
    for code in codes:
        if not re.search(r"[\"']%s[\"']" % code, library):
            problems.append("%s: nothing finds %s" % (LIST, code))
        if '"%s"' % code not in tests:
            problems.append("%s: no test provokes %s" % (LIST, code))
    # A question's first column is always such a code.
    for code in re.findall(r"(?:SELECT|DISTINCT|THEN|ELSE)\s*\"?\s*\"?'([a-z]+(?:-[a-z]+)+)'", library):
        if code not in codes:
            problems.append("lib/tenant: the code %s is not in %s" % (code, LIST))
    if len(listed) < 40 or len(set(codes)) != len(codes):
        problems.append("%s cannot be read any more, or has a code twice" % LIST)
    return problems


if __name__ == "__main__":
    lint.main("findings documented", check, {
        "a finding without a row": lambda tree: tree.replace(PAGE, "| `table-missing` | error |", "| `table-lost` | error |"),
        "another level": lambda tree: tree.replace(PAGE, "| `table-astray` | warning |", "| `table-astray` | error |"),
        "a finding that nothing finds": lambda tree: tree.replace(LIST, '{"cannot-look", ', '{"never-seen", "notice", "w", "r"},\n    {"cannot-look", '),
        "a code of no list": lambda tree: tree.replace("lib/tenant/diagnose_role.c", "'role-missing'", "'role-lost'"),
        "a finding that no test provokes": lambda tree: [path.write_text(path.read_text().replace('"tenant-not-shut"', '"x"')) for path in tree.files(*TESTS)],
    })
