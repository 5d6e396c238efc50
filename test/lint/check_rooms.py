#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A room includes itself and the rooms before it; libpq is room pg's alone."""

import re

import lint

# Where libpq's types may be named: the room of the conversation, and the header that is opted into.
LIBPQ = ("lib/pg/", "include/tenantdb/libpq.h")


def check(tree):
    problems = []
    for path in tree.files("lib/**/*.[ch]", "include/**/*.h"):
        name = tree.name(path)
        text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), path.read_text(encoding="utf-8"), flags=re.S)
        room = name.split("/")[1] if name.startswith("lib/") else None
        if room is not None and room not in lint.ROOMS:
            problems.append("%s: %s is no room" % (name, room))
            continue
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, re.M):
            place = "%s:%d" % (name, lint.line_of(text, match.start()))
            kind, target = match.groups()
            if target.startswith(("libpq", "postgres")) and not name.startswith(LIBPQ):
                problems.append("%s: only room pg includes %s" % (place, target))
            if kind == "<":
                continue
            other = target.split("/")[0]
            if room is None:
                problems.append("%s: a public header includes with angle brackets" % place)
            elif "/" not in target or other not in lint.ROOMS:
                problems.append("%s: \"%s\" does not spell its room" % (place, target))
            elif lint.ROOMS.index(other) > lint.ROOMS.index(room):
                problems.append("%s: room %s comes before %s and may not include %s" % (place, room, other, target))
    return problems


def seed(path, line):
    return lambda tree: tree.add(path, line)


if __name__ == "__main__":
    lint.main("order of the rooms", check, {
        "an include upward": seed("lib/base/memory.c", '#include "pool/pool.h"\n'),
        "an include without its room": seed("lib/base/memory.c", '#include "memory.h"\n'),
        "libpq outside room pg": seed("lib/base/result.c", "#include <libpq-fe.h>\n"),
        "libpq in a public header": seed("include/tenantdb/error.h", "#include <libpq-fe.h>\n"),
        "a room that is none": lambda tree: tree.write("lib/misc/thing.c", "int x;\n"),
    })
