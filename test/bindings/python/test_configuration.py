#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The table of options in doc/guide/configuration.md is what the library tells of itself; --write makes it so."""

import os
import pathlib
import re
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
if (TOP / "build/lib/libtenantdb.so").exists():
    os.environ.setdefault("TENANTDB_LIBRARY", str(TOP / "build/lib/libtenantdb.so"))

import tenantdb  # noqa: E402

PAGE = TOP / "doc/guide/configuration.md"
BEGIN, END = "<!-- options -->\n", "<!-- end of options -->"


def duration(text):
    """Milliseconds, as people would say it."""
    left = int(text[:-2])
    for unit, size in (("d", 86400000), ("h", 3600000), ("min", 60000), ("s", 1000), ("ms", 1)):
        if left and left % size == 0:
            return "%d %s" % (left // size, unit)
    return "0"


def limits(option):
    if option["minimum"] is None:
        return ""
    show = duration if option["minimum"].endswith("ms") else str
    return "%s to %s" % (show(option["minimum"]), show(option["maximum"]))


def table():
    rows = ["| option | type | default | range | meaning |", "|---|---|---|---|---|"]
    for option in tenantdb.describe_options():
        kind = option["type"].replace("|", ", ")
        initial = "`%s`" % option["default"] if option["default"] else "empty"
        rows.append("| `%s` | %s | %s | %s | %s |" % (
            option["key"], kind, initial, limits(option), option["description"].replace("|", "\\|")))
    return "\n".join(rows) + "\n"


def split():
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    old, tail = rest.split(END)
    return head, old, tail


class Options(unittest.TestCase):
    def test_page_is_up_to_date(self):
        self.assertEqual(table(), split()[1], "run test/bindings/python/test_configuration.py --write")

    def test_every_default_is_accepted(self):
        for option in tenantdb.describe_options():
            with self.subTest(option["key"]):
                with self.assertRaises(tenantdb.Error) as caught:
                    tenantdb.Database({option["key"]: option["default"], "no.such": ""})
                self.assertIn("no.such", caught.exception.message)

    def test_every_option_is_explained(self):
        for option in tenantdb.describe_options():
            self.assertRegex(option["description"], r"^(tenantdb_|[A-Z]).*\.$")
            self.assertNotRegex(option["description"], re.compile(r"\s\s|\n"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        head, _, tail = split()
        PAGE.write_text(head + BEGIN + table() + END + tail, encoding="utf-8")
    else:
        unittest.main()
