#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The reasons: every number once, each with a name in lib/base/reason.c, and doc/reference/reasons.md
made of tenantdb/reason.h (--write makes it)."""

import re

import lint

HEADER, TABLE, PAGE = "include/tenantdb/reason.h", "lib/base/reason.c", "doc/reference/reasons.md"

HEAD = """# Reasons

`tenantdb_error_reason()` tells which failure it was, exactly; `tenantdb_reason_name()` gives the name.
A number keeps its meaning for ever; new ones may appear in any release. This page is made from
`include/tenantdb/reason.h` by `test/lint/check_reasons.py --write`.

| number | name | meaning |
|-------:|------|---------|
"""


def reasons(tree):
    """(name, number, meaning) in the order of the header."""
    return [(name, int(number), re.sub(r"\s*\n\s*\*?\s*", " ", meaning).strip()) for name, number, meaning in re.findall(
        r"TENANTDB_REASON_(\w+) = (\d+),?\s*/\*\*<(.*?)\*/", tree.read(HEADER), re.S)]


def page(tree):
    return HEAD + "".join("| %d | `%s` | %s |\n" % (number, name, meaning) for name, number, meaning in reasons(tree))


def check(tree):
    problems, listed = [], reasons(tree)
    names = [name for name, _, _ in listed]
    for name in re.findall(r"^\s*TENANTDB_REASON_(\w+)", tree.read(HEADER), re.M):
        if name not in names:
            problems.append("%s: %s lacks its number or its meaning" % (HEADER, name))
    seen = {}
    for name, number, _ in listed:
        if number in seen:
            problems.append("%s: %s and %s have the number %d" % (HEADER, seen[number], name, number))
        seen[number] = name
    rows = re.findall(r"\{TENANTDB_REASON_(\w+),\s*\"(\w+)\"\}", tree.read(TABLE))
    for name, text in rows:
        if name != text:
            problems.append("%s: %s is called %s" % (TABLE, name, text))
    for name in names:
        if [row[0] for row in rows].count(name) != 1:
            problems.append("%s should have one row for %s" % (TABLE, name))
    for name, _ in rows:
        if name not in names:
            problems.append("%s: %s is not in %s" % (TABLE, name, HEADER))
    if not (tree.top / PAGE).exists() or tree.read(PAGE) != page(tree):
        problems.append("%s is not what %s says; run test/lint/check_reasons.py --write" % (PAGE, HEADER))
    return problems


def write(tree):
    tree.write(PAGE, page(tree))


if __name__ == "__main__":
    lint.main("reasons", check, {
        "a number used twice": lambda tree: tree.replace(HEADER, "TENANTDB_REASON_INTERNAL = 2", "TENANTDB_REASON_INTERNAL = 1"),
        "a row that is missing": lambda tree: tree.replace(TABLE, '    {TENANTDB_REASON_INTERNAL, "INTERNAL"},\n', ""),
        "a wrong name": lambda tree: tree.replace(TABLE, '"INTERNAL"', '"INTERN"'),
        "a page that is out of date": lambda tree: tree.replace(HEADER, "an allocation failed", "no memory was left"),
    }, write)
