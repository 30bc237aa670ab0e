"""The type stubs say what the module has, and a program can be checked."""
import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

PROGRAM = """
import eddy

def name_of(user: int) -> str:
    handle = eddy.fetch(f"http://users.local/{user}", timeout=2)
    return handle.wait(3).text

def lengths(urls: list[str]) -> list[int]:
    answers = eddy.gather([eddy.fetch(url) for url in urls], timeout=1)
    return [len(answer.content) for answer in answers]

def ids(dsn: str) -> list[int]:
    return [row.id for row in eddy.pg(dsn).query("select 1 as id").wait()]
"""
WRONG = "import eddy\nx: int = eddy.fetch('http://a/').wait(1)\n"


@unittest.skipUnless(importlib.util.find_spec("mypy"), "no mypy")
class Stubs(unittest.TestCase):
    def run_mypy(self, *words):
        with tempfile.TemporaryDirectory() as cache:
            import eddy

            tree = os.path.dirname(os.path.dirname(eddy.__file__))
            environment = {**os.environ, "MYPYPATH": tree}
            environment.pop("LD_PRELOAD", None)
            return subprocess.run(
                [sys.executable, "-m", *words], cwd=cache, env=environment,
                capture_output=True, text=True,
            )

    def check(self, code):
        with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
            program.write(textwrap.dedent(code))
            program.flush()
            return self.run_mypy("mypy", "--strict", "--no-incremental",
                                 program.name)

    def test_a_program_that_is_right_passes(self):
        done = self.check(PROGRAM)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_one_that_is_wrong_does_not(self):
        done = self.check(WRONG)
        self.assertIn("Incompatible types", done.stdout)

    @unittest.skipIf("LD_PRELOAD" in os.environ, "mypy is not built like us")
    def test_they_are_true(self):
        done = self.run_mypy("mypy.stubtest", "eddy", "--ignore-missing-stub")
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
