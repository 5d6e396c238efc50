#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every family of calls through another language's foreign function interface, without a callback
where there is a choice, on the server that DATABASE_URL names."""

import ctypes
import datetime
import decimal
import re
import select
import threading
import time
import unittest
import uuid

import tenantdb
from test_binding import URL, Case, make_registry, unique


class Sessions(Case):
    def setUp(self):
        self.slug = unique("calls")
        self.tenant = self.db.create_tenant(self.slug)
        self.session = self.db.session(self.slug)
        self.addCleanup(self.session.close)

    def count(self):
        return self.session.fetch("SELECT count(*) FROM requests")[0][0]


class Values(Sessions):
    MOMENT = datetime.datetime(2024, 2, 29, 13, 0, 0, 125001, tzinfo=datetime.timezone.utc)

    def test_there_and_back(self):
        given = (None, True, -(2**62), 2.5, "ü\n", b"\x00\xff", self.MOMENT)
        for binary in ("off", "on"):
            with self.db.session(self.slug, binary=binary) as session:
                rows = session.fetch("SELECT $1::text, $2, $3, $4, $5, $6, $7", *given)
                self.assertEqual([given], rows)
                self.assertEqual([(7, -3)], session.fetch("SELECT 7::int2, -3::int4"))
                self.assertEqual([(float("inf"), 0.5)], session.fetch("SELECT 'Infinity'::float8, 0.5::float4"))

    def test_what_comes_as_text(self):
        number, name = decimal.Decimal("12345678901234567890.123"), uuid.uuid4()
        row, = self.session.fetch("SELECT $1, $2, $3->>'k'", number, name, {"k": "v"})
        self.assertEqual((str(number), str(name), "v"), row)

    def test_arrays(self):
        for values, kind in (([True, None, False], "boolean"), ([1, None, 2**40], "bigint"), ([0.5, None], "double precision"),
                             (["a", None, "{,}"], "text"), ([b"\x00", None], "bytea"), ([self.MOMENT, None], "timestamptz"),
                             ([uuid.uuid4(), None], "uuid"), ([decimal.Decimal("1.5"), None], "numeric"), ([], "text")):
            rows = self.session.fetch("SELECT x, pg_typeof(x)::text FROM unnest($1) AS x", values)
            self.assertEqual(len(values), len(rows))
            for value, row in zip(values, rows):
                wanted = value if isinstance(value, (bool, int, float, bytes, datetime.datetime, type(None))) else str(value)
                self.assertEqual((wanted, kind.replace("timestamptz", "timestamp with time zone")), row)

    def test_wrong_type(self):
        rows = self.session.query("SELECT 'word', NULL::int4")
        value = ctypes.c_int32()
        with self.assertRaises(tenantdb.Error) as caught:
            tenantdb._call("result_int32", rows.handle, 0, 0, ctypes.byref(value))
        self.assertEqual("BAD_VALUE", caught.exception.reason_name)
        with self.assertRaises(tenantdb.Error) as caught:
            tenantdb._call("result_int32", rows.handle, 0, 1, ctypes.byref(value))
        self.assertEqual("NULL_VALUE", caught.exception.reason_name)
        self.assertIsNone(rows.get(0, 1))

    def test_by_name(self):
        rows = self.session.query("SELECT 1::int4 AS one, true AS yes")
        self.assertEqual((1, True), (rows.get(0, "one"), rows.get(0, "yes")))
        self.assertEqual(["int4", "bool"], [rows.type(column) for column in range(2)])

    def test_execute(self):
        self.assertEqual(3, self.session.execute("INSERT INTO requests (id) SELECT generate_series(1, $1::int)", 3))
        self.assertEqual(2, self.session.execute("DELETE FROM requests WHERE id > $1", 1))

    def test_a_compiled_statement(self):
        statement = self.registry.statement("INSERT INTO {requests} (id, body) VALUES ($1::int, $2) RETURNING body")
        self.assertEqual([("x",)], list(self.session.run(statement, "1", "x")))


class Options(Sessions):
    def test_read_only(self):
        with self.db.session(self.slug, read_only="on") as session:
            self.assertEqual("25006", self.fails("STATE", session.execute, "INSERT INTO requests (id) VALUES (1)").sqlstate)

    def test_timeout(self):
        with self.db.session(self.slug, timeout="100ms") as session:
            began = time.monotonic()
            self.fails("TIMEOUT", session.execute, "SELECT pg_sleep(5)")
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual([(1,)], session.fetch("SELECT 1"))

    def test_unknown(self):
        self.assertIn("timeout", self.fails("ARGUMENT", self.db.session, self.slug, timeot="1s").message)


class Transactions(Sessions):
    def test_with(self):
        with self.session.transaction():
            self.session.execute("INSERT INTO requests (id) VALUES (1)")
        with self.assertRaises(KeyError), self.session.transaction("isolation level serializable"):
            self.session.execute("INSERT INTO requests (id) VALUES (2)")
            raise KeyError("mine")
        self.assertEqual(1, self.count())

    def test_savepoints(self):
        with self.session.transaction():
            self.session.execute("INSERT INTO requests (id) VALUES (1)")
            self.session.savepoint("here \"quoted\"")
            self.fails("CONSTRAINT", self.session.execute, "INSERT INTO requests (id) VALUES (1)")
            self.session.rollback_to("here \"quoted\"")
            self.session.release_savepoint("here \"quoted\"")
            self.session.execute("INSERT INTO requests (id) VALUES (2)")
        self.assertEqual(2, self.count())

    def test_transact_again(self):
        """Two serializable transactions that collide: the loser is run again, by a loop of Python's own."""
        self.session.execute("INSERT INTO requests (id, body) VALUES (1, '0')")
        tried = []

        def work(session):
            tried.append(session.fetch("SELECT body FROM requests"))
            if len(tried) == 1:
                with self.db.session(self.slug) as other:
                    other.execute("UPDATE requests SET body = 'other'")
            session.execute("UPDATE requests SET body = body || '!'")
            return len(tried)

        self.assertEqual(2, self.session.transact(work, "isolation level repeatable read"))
        self.assertEqual([("other!",)], self.session.fetch("SELECT body FROM requests"))

    def test_transact_gives_up(self):
        def work(session):
            session.execute("INSERT INTO requests (id) VALUES (1), (1)")

        self.fails("CONSTRAINT", self.session.transact, work)
        self.assertEqual(0, self.count())


class Batches(Sessions):
    def test_results(self):
        insert = "INSERT INTO requests (id, body) VALUES ($1::int8, $2) RETURNING id"
        results = self.session.batch((insert, 1, "a"), (insert, 2, None), ("SELECT count(*) FROM requests",))
        self.assertEqual([[(1,)], [(2,)], [(2,)]], [result.typed() for result in results])

    def test_all_or_nothing(self):
        with tenantdb.Batch() as batch:
            batch.add("INSERT INTO requests (id) VALUES (1)")
            batch.add("SELECT 1 / 0")
            batch.add("SELECT 2")
            self.assertEqual(3, len(batch))
            self.assertEqual("22012", self.fails("SQL", batch.run, self.session).sqlstate)
            self.assertIn("statement 1 of the batch", self.fails("SQL", batch.result, 1).message)
            self.fails("STATE", batch.result, 2)
        self.assertEqual(0, self.count())


class Streams(Sessions):
    def test_to_the_end(self):
        total = sum(n for n, in self.session.stream("SELECT n FROM generate_series(1, $1) AS n", 50000))
        self.assertEqual(50000 * 50001 // 2, total)
        self.assertEqual([(1,)], self.session.fetch("SELECT 1"))

    def test_given_up(self):
        rows = self.session.stream("SELECT generate_series(1, 10000000)")
        self.assertEqual((1,), next(rows))
        self.fails("STATE", self.session.fetch, "SELECT 1")  # until it is closed
        rows.close()
        self.assertEqual([(1,)], self.session.fetch("SELECT 1"))

    def test_a_failure_on_the_way(self):
        rows = self.session.stream("SELECT 1 / (100000 - n) FROM generate_series(1, 200000) AS n")
        with self.assertRaises(tenantdb.Error) as caught:
            list(rows)
        self.assertEqual("22012", caught.exception.sqlstate)


class Copies(Sessions):
    def test_in_and_out(self):
        lines = (b"%d\tline %d\n" % (n, n) for n in range(1000))
        self.assertEqual(1000, self.session.copy_in("COPY requests (id, body) FROM STDIN", lines))
        out = list(self.session.copy_out("COPY (SELECT id, body FROM requests ORDER BY id) TO STDOUT"))
        self.assertEqual([b"%d\tline %d\n" % (n, n) for n in range(1000)], out)

    def test_given_up(self):
        def lines():
            yield b"1\tx\n"
            raise ValueError("the file ends here")

        with self.assertRaises(ValueError):
            self.session.copy_in("COPY requests (id, body) FROM STDIN", lines())
        self.assertEqual(0, self.count())

    def test_refused(self):
        self.fails("SQL", self.session.copy_in, "COPY requests (id) FROM STDIN", [b"no number\n"])
        self.assertEqual(0, self.count())


class Cancelling(Sessions):
    def test_from_another_thread(self):
        timer = threading.Timer(0.2, self.session.cancel)
        timer.start()
        began = time.monotonic()
        self.assertEqual("57014", self.fails("CANCELLED", self.session.execute, "SELECT pg_sleep(10)").sqlstate)
        self.assertLess(time.monotonic() - began, 5)
        timer.join()


class EventLoop(Sessions):
    @staticmethod
    def turn(waiting):
        """One turn of a loop: wait for all of them, step those that can be; those that are done."""
        poll, by_socket, soonest, due = select.poll(), {}, -1, []
        for session in waiting:
            socket, events, timeout = session.waits_for()
            if timeout == 0:
                due.append(session)
            elif socket >= 0:
                by_socket[socket] = session
                poll.register(socket, (events & tenantdb.READ and select.POLLIN) | (events & tenantdb.WRITE and select.POLLOUT))
            if timeout >= 0 and (soonest < 0 or timeout < soonest):
                soonest = timeout
        due += [by_socket[socket] for socket, _ in poll.poll(soonest if soonest >= 0 else 10000)]
        return [(session, answer) for session in due for answer in [session.step()] if answer is not None]

    def test_many_at_once(self):
        """Ten queries that sleep are done in the time of one, on one thread."""
        sessions = [self.db.session(self.slug) for _ in range(10)]
        began = time.monotonic()
        for number, session in enumerate(sessions):
            session.send("SELECT $1::int8, pg_sleep(0.3)", number)
        waiting, answers = set(sessions), set()
        while waiting:
            for session, result in self.turn(waiting):
                waiting.discard(session)
                answers.add(result.get(0, 0))
        self.assertEqual(set(range(10)), answers)
        self.assertLess(time.monotonic() - began, 2)
        for session in sessions:
            session.close()

    def finish(self):
        while True:
            for _, answer in self.turn([self.session]):
                return answer

    def test_a_transaction(self):
        statement = self.registry.statement("INSERT INTO {requests} (id, body) VALUES ($1, $2)")
        for ending in (self.session.send_rollback, self.session.send_commit):
            self.session.begin()
            self.session.send_statement(statement, 1, "x")
            self.assertIsNotNone(self.finish())
            ending()
            self.assertIs(True, self.finish())
        self.assertEqual(1, self.count())

    def test_a_failure(self):
        self.session.send("SELECT 1 / 0")
        self.assertEqual("22012", self.fails("SQL", self.finish).sqlstate)
        self.assertEqual([(1,)], self.session.fetch("SELECT 1"))


class Opening(Case):
    def open(self, **more):
        options = dict({"database.url": URL}, **{key.replace("_", "."): value for key, value in more.items()})
        db = tenantdb.Database(options, make_registry())
        self.addCleanup(db.close)
        return db


class Events(Opening):
    def test_a_tenant(self):
        db, slug = self.open(), unique("told")
        db.events()
        db.create_tenant(slug)
        db.suspend(slug)
        self.assertEqual([("tenant-created", slug), ("tenant-suspended", slug)],
                         [(event["event"], event["tenant"]) for event in db.events() if event["event"].startswith("tenant-")])
        self.assertEqual([], db.events())

    def test_fields(self):
        db = self.open()
        before = time.time()
        with db.shared_session() as session:
            pid, = session.fetch("SELECT pg_backend_pid()")[0]
            db.events()
            session.execute("DO $$BEGIN RAISE WARNING 'mind the gap' USING ERRCODE = '01008'; END$$")
        event, = (event for event in db.events() if event["event"] == "notice")
        self.assertEqual(("warning", "01008", "mind the gap", str(pid), None),
                         tuple(event[key] for key in ("level", "sqlstate", "message", "backend_pid", "tenant")))
        self.assertAlmostEqual(before, int(event["at_ms"]) / 1000, delta=60)
        at = datetime.datetime.strptime(event["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
        self.assertEqual(int(event["at_ms"]), tenantdb._microseconds(at) // 1000)

    def test_most_and_dropped(self):
        db = self.open(events_queue="3")
        with db.shared_session() as session:
            db.events()
            session.execute("DO $$BEGIN FOR i IN 1..10 LOOP RAISE NOTICE '%', i; END LOOP; END$$")
            events = db.events(2) + db.events()
        self.assertEqual("events-dropped", events[0]["event"])
        self.assertEqual("7 events", events[0]["message"][:8])
        self.assertEqual(["8", "9", "10"], [event["message"] for event in events[1:]])
        numbers = [int(event["sequence"]) for event in events]
        self.assertEqual(list(range(numbers[0], numbers[0] + 4)), numbers)

    def test_at_once(self):
        """The same through a function, with every getter."""
        heard, threads = [], set()

        def hear(_, event):
            threads.add(threading.get_ident())
            heard.append(tuple(tenantdb._library["event_" + what](event) for what in
                               ("name", "level", "tenant", "sqlstate", "message", "backend_pid", "sequence", "at_ms")))

        function = tenantdb.EventFunction(hear)
        config = tenantdb._library["config_new"]()
        tenantdb._call("config_set", config, b"database.url", URL.encode())
        tenantdb._library["config_events"](config, function, None)
        db = tenantdb._make("open", config, None)
        tenantdb._library["config_free"](config)
        session = tenantdb._make("session_open_shared", db, None)
        tenantdb._call("session_exec", session, b"DO $$BEGIN RAISE NOTICE 'heard'; END$$", None, None)
        with tenantdb.Result(tenantdb._make("events", db, 0)) as waiting:
            rows = waiting.json()
        tenantdb._library["session_close"](session)
        tenantdb._library["close"](db)
        self.assertEqual({threading.get_ident()}, threads)
        self.assertEqual([row["event"].encode() for row in rows], [event[0] for event in heard[:len(rows)]])
        name, level, tenant, sqlstate, message, pid, sequence, at_ms = next(e for e in heard if e[0] == b"notice")
        self.assertEqual((2, b"", b"00000", b"heard"), (level, tenant, sqlstate, message))
        self.assertTrue(pid > 0 and sequence > 0 and at_ms > 1.7e12)

    def test_as_dictionaries(self):
        events = []
        with tenantdb.Database({"database.url": URL}, on_event=events.append) as db, db.shared_session() as session:
            session.execute("DO $$BEGIN RAISE NOTICE 'a \"b\"'; END$$")
        self.assertIn(("notice", 'a "b"'), [(event["event"], event["message"]) for event in events])


class Statistics(Opening):
    LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)+)\})? ([0-9.]+)$')

    def test_counters(self):
        db = self.open()
        before = db.statistics()
        with db.shared_session() as session:
            session.fetch("SELECT 1")
            session.fetch("SELECT 2")
            self.fails("SQL", session.fetch, "SELECT 1 / 0")
        after = db.statistics()
        for key, more in ((("tenantdb_statements_total", ""), 3),
                          (("tenantdb_transactions_total", 'outcome="committed"'), 2),
                          (("tenantdb_transactions_total", 'outcome="rolled_back"'), 1),
                          (("tenantdb_pool_leases_total", 'pool="shared"'), 1),
                          (("tenantdb_errors_total", 'sqlstate_class="22"'), 1)):
            self.assertEqual(more, after[key] - before.get(key, 0), key)

    def test_text(self):
        db = self.open()
        series = {}
        for line in db.statistics_text().splitlines():
            if not line.startswith("# "):
                name, labels, value = self.LINE.match(line).groups()
                series[name, labels or ""] = float(value)
        self.assertEqual(series.keys(), db.statistics().keys())
        self.assertEqual(1, series["tenantdb_pool_connections", 'pool="shared",state="idle"'])

    def test_who_has_connections(self):
        db = self.open()
        tenant = db.create_tenant(unique("busy"))
        with db.session(tenant.slug), db.session(tenant.slug):
            row, = (row for row in db.pool_tenants() if row["tenant"] == tenant.id)
            self.assertEqual((tenant.slug, "2", "0"), (row["slug"], row["in_use"], row["waiting"]))
        self.assertEqual([], db.pool_tenants())

    def test_warm_up(self):
        db = self.open(pool_minimum="2")
        db.warm_up()
        self.assertEqual(2, db.statistics()["tenantdb_pool_connections", 'pool="shared",state="idle"'])

    def test_nothing_from_nothing(self):
        for name in ("statistics", "statistics_text", "pool_tenants"):
            self.fails("ARGUMENT", tenantdb._make, name, None)
        self.fails("ARGUMENT", tenantdb._make, "events", None, 0)
        self.fails("ARGUMENT", tenantdb._call, "warm_up", None)


if __name__ == "__main__":
    unittest.main()
