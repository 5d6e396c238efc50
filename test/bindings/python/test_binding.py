#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The library as another language sees it, on the server that DATABASE_URL names."""

import ctypes
import gc
import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading
import unittest
import uuid

import tenantdb

HERE = pathlib.Path(__file__).resolve().parent
URL = os.environ.get("DATABASE_URL", "")


def make_registry():
    registry = tenantdb.Registry()
    registry.base("Central", tenantdb.SHARED).sql("CREATE TABLE plans (name text PRIMARY KEY)")
    base = registry.base("Service")
    base.table("requests", id="integer PRIMARY KEY", body="text", done="boolean DEFAULT false")
    base.sql("CREATE TABLE results (request integer REFERENCES requests (id), score float8, extra jsonb)")
    return registry


def unique(word):
    return "%s-%s" % (word, uuid.uuid4().hex[:8])


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = make_registry()
        cls.db = tenantdb.Database({"database.url": URL}, cls.registry)
        cls.db.bootstrap()

    @classmethod
    def tearDownClass(cls):
        cls.db.close()

    def fails(self, status, call, *arguments, **more):
        with self.assertRaises(tenantdb.Error) as caught:
            call(*arguments, **more)
        self.assertEqual(status, caught.exception.status_name, caught.exception.message)
        self.assertTrue(caught.exception.message)
        self.assertNotIn("\n", caught.exception.message)
        return caught.exception


class Connecting(unittest.TestCase):
    def refused(self, options, registry=None):
        with self.assertRaises(tenantdb.Error) as caught:
            tenantdb.Database(options, registry)
        return caught.exception

    def test_no_server(self):
        error = self.refused({"database.url": "host=/nonexistent dbname=x"})
        self.assertEqual(("CONNECTION", "CONNECT_FAILED"), (error.status_name, error.reason_name))
        self.assertIn("/nonexistent", error.message)

    def test_no_such_database(self):
        name = "none" + uuid.uuid4().hex
        error = self.refused({"database.url": URL + ("&" if "?" in URL else "?") + "dbname=" + name})
        self.assertEqual(("NOT_FOUND", "3D000"), (error.status_name, error.sqlstate))
        self.assertIn(name, error.message)

    def test_a_password_is_not_told(self):
        error = self.refused({"database.url": "postgresql://u:hush-hush@localhost:1/x"})
        self.assertNotIn("hush-hush", error.message + error.detail + error.hint)

    def test_unknown_option(self):
        error = self.refused({"pool.sise": "2"})
        self.assertEqual("ARGUMENT", error.status_name)
        self.assertIn("pool.size", error.message)

    def test_wrong_declaration(self):
        registry = tenantdb.Registry()
        registry.base("Service").sql("CREATE TABLE a (id int);\nGRANT ALL ON a TO PUBLIC")
        error = self.refused({"database.url": URL}, registry)
        self.assertEqual(("ARGUMENT", "SCRIPT_STATEMENT"), (error.status_name, error.reason_name))
        self.assertIn("line 2", error.message)


class Working(Case):
    def test_version(self):
        self.assertRegex(tenantdb.version(), r"^\d+\.\d+\.\d+$")

    def test_slug(self):
        self.assertEqual("cafe-muller", tenantdb.slug_from_name("Café Müller"))
        self.fails("ARGUMENT", tenantdb.slug_from_name, "！")

    def test_create(self):
        slug = unique("made")
        tenant = self.db.create_tenant(slug, name="Made & Søn", properties='{"plan": "pro"}')
        self.assertEqual((slug, "Made & Søn", "active"), (tenant.slug, tenant.name, tenant.state_name))
        self.assertRegex(tenant.schema, r"^tenant_made_[0-9a-f]{8}_[0-9a-f]{6}$")
        self.assertEqual([], list(self.db.verify(slug)))
        self.fails("ALREADY_EXISTS", self.db.create_tenant, slug.upper())
        row, = self.db.tenants(prefix=slug).json()
        self.assertEqual((tenant.id, {"plan": "pro"}), (row["id"], json.loads(row["properties"])
                         if isinstance(row["properties"], str) else row["properties"]))

    def test_idempotency_key(self):
        slug, key = unique("twice"), unique("key")
        first = self.db.create_tenant(slug, idempotency_key=key)
        self.assertEqual(first.id, self.db.create_tenant(slug, idempotency_key=key).id)
        self.fails("CONFLICT", self.db.create_tenant, unique("other"), idempotency_key=key)

    def test_scoped_query(self):
        slug = unique("scope")
        tenant = self.db.create_tenant(slug)
        with self.db.session(slug) as session:
            self.assertEqual(tenant.schema, session.schema)
            self.assertEqual(1, session.query("INSERT INTO requests (id, body) VALUES ($1, $2)", 1, "Grüße").affected)
            self.assertEqual([("1", "Grüße", "f")], list(session.query("SELECT * FROM requests")))
            self.assertEqual([(tenant.schema, tenant.role or session.query("SELECT current_user")[0][0])],
                             list(session.query("SELECT current_schema(), current_user")))

    def test_transaction(self):
        slug = unique("work")
        self.db.create_tenant(slug)
        with self.db.session(slug) as session:
            session.begin("isolation level serializable")
            session.query("INSERT INTO requests (id) VALUES (1)")
            session.rollback()
            session.begin()
            session.query("INSERT INTO requests (id) VALUES (2)")
            error = self.fails("CONSTRAINT", session.query, "INSERT INTO requests (id) VALUES (2)")
            self.assertEqual(("23505", "requests_pkey"), (error.sqlstate, error.constraint))
            self.fails("STATE", session.query, "SELECT 1")
            self.fails("STATE", session.commit)
            self.assertEqual([("0",)], list(session.query("SELECT count(*) FROM requests")))
            self.fails("ARGUMENT", session.query, "COMMIT")

    def test_neighbour_is_refused(self):
        mine, other = (self.db.create_tenant(unique(word)) for word in ("mine", "other"))
        statement = self.registry.statement("SELECT count(*) FROM {requests}")
        elsewhere = statement.text(other.schema)
        with self.db.session(mine.id) as session:
            self.assertEqual([("0",)], list(session.run(statement)))
            if self.db.isolation() < tenantdb.ROLE:
                self.skipTest("at level routing nothing enforces it")
            self.assertEqual("42501", self.fails("PERMISSION", session.query, elsewhere).sqlstate)
            self.assertEqual("42501", self.fails("PERMISSION", session.query, "SELECT * FROM public.plans").sqlstate)
        with self.db.session(other.id) as session:
            self.assertEqual([("0",)], list(session.query(elsewhere)))

    def test_suspended_is_unavailable(self):
        slug = unique("pause")
        self.db.create_tenant(slug)
        self.assertEqual("suspended", self.db.suspend(slug).state_name)
        self.fails("UNAVAILABLE", self.db.session, slug)
        self.db.resume(slug)
        self.db.session(slug).close()
        self.db.purge(slug, force=True)
        self.fails("NOT_FOUND", self.db.session, slug)

    def test_json(self):
        with self.db.shared_session() as session:
            rows = session.query("SELECT 1 AS n, 2.5::float8 AS f, true AS b, NULL::text AS nothing,"
                                 " 'a \"quoted\" ü' AS t, '{\"k\": [1, null]}'::jsonb AS j, 'NaN'::float8 AS nan")
            self.assertEqual(["n", "f", "b", "nothing", "t", "j", "nan"], rows.columns)
            self.assertEqual([{"n": 1, "f": 2.5, "b": True, "nothing": None, "t": 'a "quoted" ü',
                               "j": {"k": [1, None]}, "nan": "NaN"}], rows.json())

    def test_values_are_not_sql(self):
        with self.db.shared_session() as session:
            evil = "'; DROP TABLE plans; --"
            self.assertEqual([(evil, None)], list(session.query("SELECT $1::text, $2::text", evil, None)))
            self.assertEqual([("0",)], list(session.query("SELECT count(*) FROM plans")))


class Logging(Case):
    def test_lines(self):
        lines = []
        with tenantdb.Database({"database.url": URL}, log=lambda *line: lines.append(line)) as db:
            with db.shared_session() as session:
                session.query("DO $$ BEGIN RAISE NOTICE 'hello from the server'; END $$")
                session.query("DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$")
        text = "\n".join(message for _, _, message in lines)
        self.assertIn("hello from the server", text)
        self.assertIn("mind the gap", text)
        self.assertTrue(all(1 <= level <= 4 and event and "\n" not in message for level, event, message in lines), lines)

    def test_a_callback_that_fails(self):
        said = []

        def log(*_):
            said.append(1)
            raise ValueError("of no concern to the library")

        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            with tenantdb.Database({"database.url": URL}, log=log) as db, db.shared_session() as session:
                session.query("DO $$ BEGIN RAISE NOTICE 'x'; END $$")
                self.assertEqual([("1",)], list(session.query("SELECT 1")))
        finally:
            sys.unraisablehook = hook
        self.assertTrue(said)

    def test_a_session_that_outlives_its_database(self):
        lines = []
        db = tenantdb.Database({"database.url": URL}, log=lambda *line: lines.append(line))
        session = db.shared_session()
        db.close()
        del db
        gc.collect()
        self.fails("STATE", session.query, "SELECT 1")
        session.close()


class Threads(Case):
    def run_threads(self, work, count=8):
        problems = []

        def guarded(number):
            try:
                work(number)
            except Exception as problem:  # told in the main thread
                problems.append(problem)

        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], problems)

    def test_errors_belong_to_their_call(self):
        """Every thread fails with a number of its own, many times, and is told that number."""

        def work(number):
            with self.db.shared_session() as session:
                for i in range(25):
                    mark = "nobody_%d_%d" % (number, i)
                    error = self.fails("SQL", session.query, "SELECT %s" % mark)
                    if mark not in error.message or error.sqlstate != "42703":
                        raise AssertionError(error.message)

        self.run_threads(work)

    def test_an_error_read_on_another_thread(self):
        made, seen = [], []

        def fail():
            error = ctypes.c_void_p()
            tenantdb._library["config_set"](config, b"no.such", b"1", ctypes.byref(error))
            made.append(error)

        def read():
            seen.append(tenantdb.Error(made[0]).message)

        config = tenantdb._library["config_new"]()
        for step in (fail, read):
            thread = threading.Thread(target=step)
            thread.start()
            thread.join()
        tenantdb._library["config_free"](config)
        self.assertIn("no.such", seen[0])

    def test_each_thread_its_tenant(self):
        tenants = [self.db.create_tenant(unique("t%d" % i)) for i in range(4)]

        def work(number):
            tenant = tenants[number % 4]
            for i in range(10):
                with self.db.session(tenant.slug) as session:
                    session.query("INSERT INTO requests (id, body) VALUES ($1, $2)", number * 100 + i, tenant.slug)

        self.run_threads(work)
        for tenant in tenants:
            with self.db.session(tenant.slug) as session:
                self.assertEqual([(tenant.slug, "20")],
                                 list(session.query("SELECT body, count(*) FROM requests GROUP BY body")))


class Destruction(Case):
    def test_any_order(self):
        """Finalizers have no order: all of them, with a transaction open."""
        slug = unique("order")
        self.db.create_tenant(slug)
        for order in itertools.permutations(range(4)):
            registry = make_registry()
            db = tenantdb.Database({"database.url": URL}, registry)
            session = db.session(slug)
            session.begin()
            result = session.query("SELECT 'still here'")
            owners = [registry, db, session, result]
            for number in order:
                if number == 3:
                    self.assertEqual([("still here",)], list(result))
                owners[number].close()

    def test_nothing_is_freed_by_null(self):
        for name in ("error_free", "config_free", "registry_free", "close", "session_close", "result_free", "tenant_free",
                     "tenant_spec_free", "statement_free", "params_free", "string_free"):
            tenantdb._library[name](None)

    def test_garbage(self):
        def leave_lying_about():
            db = tenantdb.Database({"database.url": URL}, make_registry())
            session = db.shared_session()
            result = session.query("SELECT 1")
            result.cycle = [db, session, result]

        for _ in range(5):
            leave_lying_about()
        gc.collect()


class Quickstart(unittest.TestCase):
    def run_it(self, url):
        return subprocess.run([sys.executable, str(HERE / "quickstart.py")], env=dict(os.environ, DATABASE_URL=url),
                              capture_output=True, text=True)

    def test_twice(self):
        outputs = [self.run_it(URL) for _ in range(2)]
        for done in outputs:
            self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertRegex(outputs[0].stdout, r"^tenant_globex_[0-9a-f]{6}: only Globex sees this\n$")
        self.assertEqual(outputs[0].stdout, outputs[1].stdout)

    def test_no_server(self):
        done = self.run_it("host=/nonexistent")
        self.assertEqual(1, done.returncode)
        self.assertTrue(done.stderr.startswith("quickstart: cannot connect"), done.stderr)


if __name__ == "__main__":
    unittest.main()
