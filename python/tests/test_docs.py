"""What docs/python.md shows runs, in the order of the page. A block behind

    <!-- run [postgres|redis] -->

is run against servers of ours, which stand for those it names."""
import contextlib
import io
import pathlib
import re
import time
import unittest

import databases
from servers import Handler, HttpTest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCK = re.compile(
    r"^<!-- run ?(?P<needs>\w*) -->\n```python\n(?P<code>.*?)^```$",
    re.M | re.S,
)


class Service(Handler):
    """Answers any path as those services might."""

    def __getattr__(self, name):
        if name.startswith("on_"):
            return self.on_user
        raise AttributeError(name)

    def on_user(self):
        types = [("Content-Type", "application/json")]
        self.reply(b'{"name": "Ada"}', headers=types)

    on_missing = on_user

    def on_slow(self):
        time.sleep(0.2)
        self.on_user()

    def on_large(self):
        self.reply(b"x" * 300000)


class Page(HttpTest):
    handler = Service

    def run_blocks(self, needs, places):
        namespace = {"__name__": "page"}
        exec("import eddy", namespace)
        ran = 0
        for block in BLOCK.finditer(PAGE.read_text()):
            if block["needs"] != needs:
                continue
            code = block["code"]
            for name, place in places.items():
                code = code.replace(name, place)
            line = PAGE.read_text().count("\n", 0, block.start("code"))
            program = compile("\n" * line + code, str(PAGE), "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(program, namespace)
            ran += 1
        return ran

    def test_programs_run(self):
        here = self.url().rstrip("/")
        places = {f"http://{n}.local": here for n in ("users", "shops")}
        self.assertGreater(self.run_blocks("", places), 7)

    def test_what_asks_postgresql_runs(self):
        import eddy

        dsn = databases.start_postgres()
        eddy.pg(dsn).script(
            "create table people (id int, name text, city text);"
            "insert into people values (1, 'Ada', 'Bergen'), (20, 'Bo', null)"
        ).wait(20)
        places = {"postgresql://app@db.local/shop": dsn}
        self.assertEqual(self.run_blocks("postgres", places), 1)

    def test_what_asks_redis_runs(self):
        places = {"redis://cache.local/0": databases.start_redis()}
        self.assertEqual(self.run_blocks("redis", places), 1)


if __name__ == "__main__":
    unittest.main()
