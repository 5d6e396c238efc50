#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Events and metrics: those in the code are those in doc/guide/operating.md, and every event of the
closed list is told somewhere."""

import re

import lint

NAMES, METRICS, PAGE = "lib/config/event_names.c", "lib/catalog/statistics.c", "doc/guide/operating.md"


def events(tree):
    """(kind, name, level) as the list has them."""
    return re.findall(r'\{TNDB_EVENT_(\w+), "([a-z-]+)", TENANTDB_LOG_(\w+)\}', tree.read(NAMES))


def metrics(tree):
    """(name, kind, unit); a string may be broken over lines, the three before the help are not."""
    return re.findall(r'"(tenantdb_\w+)",\s*"(\w+)",\s*"(\w*)",', tree.read(METRICS))


def sources(tree):
    """The library's C text, but for the list itself."""
    return {path: path.read_text(encoding="utf-8") for path in tree.files("lib/*/*.c")
            if not path.name.startswith("event")}


def check_told(tree, listed):
    """The names are told by their kinds, which the compiler knows; but somebody must."""
    everything = "\n".join(sources(tree).values())
    return ["%s: nobody tells the event %s" % (NAMES, name) for kind, name, _ in listed
            if kind != "EVENTS_DROPPED" and not re.search(r"TNDB_EVENT_%s\b" % kind, everything)]


def check(tree):
    listed = events(tree)
    problems = check_told(tree, listed)
    page = tree.read(PAGE)
    rows = re.findall(r"^\| `([a-z]+(?:-[a-z]+)*)` \| (debug|notice|warning|error) \| \S.* \|$", page, re.M)
    wanted = [(name, level.lower()) for _, name, level in listed]
    for row in wanted:
        if row not in rows:
            problems.append("%s has no row for the event %s of level %s" % ((PAGE,) + row))
    for row in rows:
        if row not in wanted:
            problems.append("%s: there is no event %s of level %s" % ((PAGE,) + row))
    rows = re.findall(r"^\| `(tenantdb_\w+)` \| (\w+) \| (\w*) ?\|", page, re.M)
    counted = metrics(tree)
    for row in counted:
        if row not in rows:
            problems.append("%s has no row for the metric %s, a %s in %s" % ((PAGE,) + row))
    for row in rows:
        if row not in counted:
            problems.append("%s: there is no metric %s, a %s in %s" % ((PAGE,) + row))
    if len(listed) < 20 or len(counted) < 10:
        problems.append("%s or %s cannot be read any more" % (NAMES, METRICS))
    return problems


if __name__ == "__main__":
    lint.main("events and metrics documented", check, {
        "an event without a row": lambda tree: tree.replace(PAGE, "| `pool-timeout` | warning |", "| `pool-late` | warning |"),
        "another level": lambda tree: tree.replace(PAGE, "| `session-leak` | warning |", "| `session-leak` | error |"),
        "an event that nobody tells": lambda tree: tree.replace(
            NAMES, "    {TNDB_EVENT_NOTICE,", '    {TNDB_EVENT_NOBODY, "nobody", TENANTDB_LOG_ERROR},\n    {TNDB_EVENT_NOTICE,'),
        "a metric without a row": lambda tree: tree.replace(METRICS, '"tenantdb_pool_tenants"', '"tenantdb_pool_keys"'),
        "another unit": lambda tree: tree.replace(PAGE, "`tenantdb_pool_wait_seconds` | histogram | seconds", "`tenantdb_pool_wait_seconds` | histogram | ms"),
        "another kind": lambda tree: tree.replace(METRICS, '"tenantdb_statements_total", "counter"', '"tenantdb_statements_total", "gauge"'),
    })
