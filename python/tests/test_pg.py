"""eddy.pg(): statements, values, transactions, failures, forks."""
import asyncio
import datetime
import decimal
import json
import pickle
import unittest
import uuid
from unittest import mock

import eddy
from databases import start_postgres
from servers import refusing_port, run_python

UTC = datetime.timezone.utc


def setUpModule():
    global dsn
    dsn = start_postgres()


class PgTest(unittest.TestCase):
    def setUp(self):
        self.db = eddy.pg(dsn, max=4)
        self.addCleanup(self.db.close)

    def value(self, sql, *args, **named):
        return self.db.query(sql, *args, **named).wait(20).value()


class Statements(PgTest):
    def test_rows_are_found_by_index_name_and_attribute(self):
        rows = self.db.query("select 1 as id, 'a' as name union select 2, 'b'"
                             " order by id").wait(20)
        self.assertEqual(rows.columns, ("id", "name"))
        self.assertEqual(len(rows), 2)
        self.assertEqual(rows[1], (2, "b"))
        self.assertEqual(rows[1]["name"], "b")
        self.assertEqual(rows[1].id, 2)
        self.assertEqual(rows[0].as_dict(), {"id": 1, "name": "a"})
        with self.assertRaises(KeyError):
            rows[0]["nothing"]
        with self.assertRaises(AttributeError):
            rows[0].nothing

    def test_columns_may_be_called_as_methods_of_a_tuple(self):
        row = self.db.query('select count(*), 7 as "index" from'
                            " generate_series(1, 3)").wait(20).one()
        self.assertEqual((row.count, row.index), (3, 7))
        self.assertEqual((1, 1, 2).count(1), 2)

    def test_rows_can_be_kept_elsewhere(self):
        rows = self.db.query("select 1 as id, 'a' as name").wait(20)
        again = pickle.loads(pickle.dumps(rows))
        self.assertEqual(again, rows)
        self.assertEqual(again.columns, rows.columns)
        self.assertEqual(again[0].name, "a")

    def test_a_result_that_was_not_made_to_its_end_is_made_anew(self):
        made = []

        def fail_once(text):
            made.append(text)
            if len(made) == 2:
                raise KeyboardInterrupt
            return text

        handle = self.db.query(
            "select md5(n::text)::uuid from generate_series(1, 3) n")
        with mock.patch.dict(eddy._databases._CONVERTERS, {2950: fail_once}):
            with self.assertRaises(KeyboardInterrupt):
                handle.wait(20)
            self.assertEqual(len(handle.wait(20)), 3)

    def test_a_result_that_is_made_cannot_wait_for_itself(self):
        handle = self.db.query("select md5('')::uuid")

        def ask_again(_):
            with self.assertRaises(RuntimeError):
                handle.wait(0)
            with self.assertRaises(RuntimeError):
                eddy.gather([handle])
            return "made"

        with mock.patch.dict(eddy._databases._CONVERTERS, {2950: ask_again}):
            self.assertEqual(handle.wait(20).value(), "made")

    def test_parameters_by_name_and_by_position(self):
        self.assertEqual(self.value("select :a::int + :b::int", a=1, b=2), 3)
        rows = self.db.query("select :sql::int + :self::int", sql=1, self=2)
        self.assertEqual(rows.wait(20).value(), 3)
        self.assertEqual(self.value("select $1::int + $2::int", 1, 2), 3)
        with self.assertRaises(eddy.UsageError):
            self.db.query("select $1, :a", 1, a=2)
        with self.assertRaises(eddy.UsageError):
            self.db.query("select :a::int").wait(20)

    def test_values_travel_beside_the_text(self):
        evil = "'; drop table people; --"
        self.assertEqual(self.value("select :x::text", x=evil), evil)

    def test_how_many_rows_were_changed(self):
        self.db.script("create table if not exists changed (n int);"
                       "truncate changed").wait(20)
        rows = self.db.query(
            "insert into changed select generate_series(1, 5)").wait(20)
        self.assertEqual((rows.affected, list(rows)), (5, []))

    def test_many_at_once(self):
        handles = [self.db.query("select $1::int", n) for n in range(200)]
        values = [rows.value() for rows in eddy.gather(handles, 20)]
        self.assertEqual(values, list(range(200)))

    def test_reads_share_their_way(self):
        handles = [self.db.read("select $1::int", n) for n in range(50)]
        self.assertEqual(len(eddy.gather(handles, 20)), 50)

    def test_a_pool_for_reading_refuses_to_write(self):
        with self.assertRaises(eddy.DatabaseError):
            eddy.pg(dsn, read_only=True).query("create table no (n int)").wait(20)

    def test_options_that_make_no_sense_are_refused_at_once(self):
        for options in ({"max": -1}, {"min": "x"}, {"nonsense": 1}):
            with self.assertRaises((TypeError, ValueError)):
                eddy.pg(dsn, **options)

    def test_one_row_is_one_row(self):
        rows = self.db.query("select generate_series(1, 2)").wait(20)
        with self.assertRaises(LookupError):
            rows.one()

    def test_under_asyncio(self):
        async def main():
            handles = [self.db.query("select $1::int", n) for n in range(20)]
            return [rows.value() for rows in await asyncio.gather(*handles)]

        self.assertEqual(asyncio.run(main()), list(range(20)))


class Values(PgTest):
    def both_ways(self, type_, value, expected=None):
        got = self.value(f"select $1::{type_}", value)
        self.assertEqual(got, value if expected is None else expected)
        return got

    def test_each_type_comes_back_as_it_went(self):
        for type_, value in (
            ("int", 42), ("bigint", -(2**63)), ("smallint", 7),
            ("bool", True), ("bool", False),
            ("float8", 0.1), ("float4", 0.5), ("text", "Malmö"),
            ("bytea", b"\0\xff"), ("numeric", decimal.Decimal("1.230")),
            ("date", datetime.date(2026, 2, 28)),
            ("timestamp", datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)),
            ("timestamptz",
             datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
            ("uuid", uuid.UUID(int=2**127 + 1)),
            ("jsonb", {"a": [1, None, "x"]}), ("json", {"a": 1}),
            ("int[]", [1, None, 3]), ("text[]", ['a"b', "c\\d", "NULL", None,
                                                 "", "{,}"]),
            ("float8[]", [1.5, None]), ("bool[]", [True, False]),
            ("int[]", [[1, 2], [3, 4]]), ("int[]", []),
            ("numeric[]", [decimal.Decimal("1.5")]),
            ("varchar", "x"), ("name", "x"),
        ):
            with self.subTest(type=type_, value=value):
                got = self.both_ways(type_, value)
                self.assertIs(type(got), type(value))

    def test_null_is_none(self):
        self.assertIsNone(self.value("select $1::int", None))

    def test_integers_of_any_size(self):
        self.both_ways("numeric", 10**30, decimal.Decimal(10**30))

    def test_lengths_of_time_are_told(self):
        hours = self.value("select extract(epoch from $1::interval)::int",
                           datetime.timedelta(days=1, seconds=5))
        self.assertEqual(hours, 86405)

    def test_what_python_cannot_hold_stays_text(self):
        self.assertEqual(self.value("select '0044-03-15 BC'::date"),
                         "0044-03-15 BC")
        self.assertEqual(self.value("select 'infinity'::timestamp"),
                         datetime.datetime.max)

        # Python from 3.12 on can hold this, and PostgreSQL not much more.
        deep = "[" * 3000 + "]" * 3000
        try:
            held = json.loads(deep)
        except RecursionError:
            held = deep
        self.assertEqual(self.value("select :deep::json", deep=deep), held)

    def test_a_type_without_a_counterpart_is_text(self):
        self.assertEqual(self.value("select '10.0.0.1/32'::inet"), "10.0.0.1")

    def test_what_is_no_value_is_refused_at_once(self):
        with self.assertRaises(TypeError):
            self.db._pool.run([("select $1", [(None, object())])], "", 0, 0, 0)
        self.assertTrue(self.value("select $1::text", object()).startswith("<"))


class Transactions(PgTest):
    def setUp(self):
        super().setUp()
        self.db.script("drop table if exists account;"
                       "create table account (id int primary key, n int"
                       " check (n >= 0)); insert into account values (1, 5),"
                       " (2, 0)").wait(20)

    def test_all(self):
        results = self.db.transaction([
            ("update account set n = n - :x where id = 1", {"x": 3}),
            ("update account set n = n + $1 where id = 2", [3]),
            "select n from account order by id",
        ]).wait(20)
        self.assertEqual([r.affected for r in results], [1, 1, 2])
        self.assertEqual([row.n for row in results[2]], [2, 3])

    def test_or_nothing(self):
        with self.assertRaises(eddy.IntegrityError) as caught:
            self.db.transaction([
                ("update account set n = n + 6 where id = 2"),
                ("update account set n = n - 6 where id = 1"),
            ]).wait(20)
        self.assertEqual(caught.exception.sqlstate, "23514")
        self.assertEqual(
            self.value("select sum(n)::int from account where id = 2"), 0)


class Failures(PgTest):
    def failure(self, sql, *args):
        with self.assertRaises(eddy.DatabaseError) as caught:
            self.db.query(sql, *args).wait(20)
        return caught.exception

    def test_the_server_s_words_are_told(self):
        error = self.failure("select * from nothing")
        self.assertEqual(error.sqlstate, "42P01")
        self.assertEqual(error.position, 15)
        self.assertEqual(error.phase, "query")
        self.assertTrue(error.host.startswith("127.0.0.1:"))

    def test_a_constraint_is_named(self):
        self.db.script("create table if not exists lone (n int constraint one"
                       " primary key); truncate lone;"
                       "insert into lone values (1)").wait(20)
        error = self.failure("insert into lone values (1)")
        self.assertIsInstance(error, eddy.IntegrityError)
        self.assertEqual((error.constraint, error.table), ("one", "lone"))
        self.assertIn("already exists", error.detail)

    def test_a_value_that_does_not_fit(self):
        self.assertEqual(self.failure("select $1::int", "x").sqlstate, "22P02")

    def test_nobody_there(self):
        port = refusing_port(self)
        db = eddy.pg(f"postgresql://me:secret@127.0.0.1:{port}/x", max_wait=1)
        with self.assertRaises(eddy.Error) as caught:
            db.query("select 1").wait(20)
        self.assertEqual(caught.exception.host, f"127.0.0.1:{port}")
        self.assertNotIn("secret", str(caught.exception) + caught.exception.url)

    def test_a_dsn_that_is_none(self):
        with self.assertRaises(eddy.UsageError):
            eddy.pg("nonsense=1").query("select 1").wait(20)

    def test_a_cancelled_statement_ends(self):
        handle = self.db.query("select pg_sleep(60)")
        with self.assertRaises(eddy.WaitTimeout):
            handle.wait(0.1)
        handle.cancel()
        with self.assertRaises(eddy.Canceled):
            handle.wait(20)
        self.assertEqual(self.value("select 1"), 1)


class Forks(unittest.TestCase):
    def test_a_child_has_connections_of_its_own(self):
        out, err = run_python(
            "import eddy, os, sys\n"
            "db = eddy.pg(sys.argv[1])\n"
            "def pid(): return db.query('select pg_backend_pid()').wait(20).value()\n"
            "own = pid()\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    print(pid() != own, flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "print(pid() == own)\n",
            dsn,
        )
        self.assertEqual((out.split(), err), (["True", "True"], ""))

    def test_a_child_made_while_a_result_is_made(self):
        out, err = run_python(
            "import eddy, os, signal, sys, threading\n"
            "db = eddy.pg(sys.argv[1])\n"
            "inside, gate = threading.Event(), threading.Event()\n"
            "def slow(text):\n"
            "    inside.set()\n"
            "    gate.wait(20)\n"
            "    return text\n"
            "eddy._databases._CONVERTERS[2950] = slow\n"
            "handle = db.query(\"select md5('')::uuid\")\n"
            "maker = threading.Thread(target=handle.wait)\n"
            "maker.start()\n"
            "inside.wait(20)\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    signal.alarm(10)\n"
            "    eddy._databases._CONVERTERS[2950] = str\n"
            "    print(len(handle.wait(20)), flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "gate.set()\n"
            "maker.join()\n"
            "print(len(handle.wait(0)))\n",
            dsn,
        )
        self.assertEqual((out.split(), err), (["1", "1"], ""))


if __name__ == "__main__":
    unittest.main()
