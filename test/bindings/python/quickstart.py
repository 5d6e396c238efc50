#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""examples/quickstart.c in Python: DATABASE_URL says on which server."""

import sys

import tenantdb


def main():
    registry = tenantdb.Registry()
    registry.base("Notebook").table("notes", id="integer PRIMARY KEY", body="text NOT NULL")
    try:
        with tenantdb.Database(registry=registry, environment=True) as db:
            db.bootstrap()
            db.create_tenant("globex", idempotency_key="globex signs up")
            with db.session("globex") as session:
                session.query("INSERT INTO notes VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                              "only Globex sees this")
                for _, body in session.query("SELECT id, body FROM notes"):
                    print("%s: %s" % (session.schema, body))
    except tenantdb.Error as error:
        sys.exit("quickstart: %s" % error.message)


if __name__ == "__main__":
    main()
