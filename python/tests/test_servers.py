"""Under gunicorn and uWSGI, in the ways in which they make their workers."""
import json
import os
import signal
import threading
import unittest
import urllib.request

from servers import (
    HttpTest, PATIENCE, Process, can_connect, free_port, needs, wait_until,
)

HERE = os.path.dirname(os.path.abspath(__file__))
REQUESTS = 24
LENGTHS = [1, 2, 3, 4, 5, 1]


class ServerTest(HttpTest):
    def start(self, *command):
        self.port = free_port()
        words = [word.format(port=self.port) for word in command]
        paths = [HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            "BACKEND": self.url().rstrip("/"),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self.process = Process(self, words, env=environment, cwd=HERE)
        wait_until(self._is_up, f"the start of {command[0]}")

    def _is_up(self):
        if self.process.process.poll() is not None:
            raise AssertionError(self.process.output())
        return can_connect(self.port)

    def wait_for_loads(self, count):
        """Until so many workers have loaded the app: one that is stopped while
        it does complains."""
        wait_until(lambda: self.process.output().count("loaded by") >= count)

    def get(self):
        url = f"http://127.0.0.1:{self.port}/"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)

    def load(self):
        """Many requests, four at a time; what they told."""
        told, failed = [], []

        def ask():
            for _ in range(REQUESTS // 4):
                try:
                    told.append(self.get())
                except Exception as error:
                    failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [], self.process.output())
        for one in told:
            self.assertEqual(one["lengths"], LENGTHS)
            self.assertEqual(one["loaded"], 200)
            self.assertTrue(one["loops"])
        return told

    def check_end(self):
        self.release()
        self.process.stop()
        output = self.process.output()
        for word in ("Traceback", "Segmentation", "DAMN", "SIGKILL", "Sanitizer"):
            self.assertNotIn(word, output)


class Gunicorn(ServerTest):
    def gunicorn(self, *options):
        needs("gunicorn")
        python = os.environ.get("EDDY_PYTHON", "/usr/bin/python3")
        self.start(
            python, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:{port}",
            "--graceful-timeout", "25", *options, "wsgi_app:application",
        )

    def test_workers_forked_after_the_app_was_loaded(self):
        self.gunicorn("--preload")
        told = self.load()
        self.assertEqual({one["threads"] for one in told}, {2})
        self.check_end()

    def test_workers_that_load_the_app_themselves(self):
        self.gunicorn()
        told = self.load()
        self.wait_for_loads(2)
        self.assertEqual({one["threads"] for one in told}, {2})
        self.check_end()

    def test_workers_with_threads(self):
        self.gunicorn("--preload", "-k", "gthread", "--threads", "4")
        told = self.load()
        self.assertLessEqual(max(one["threads"] for one in told), 6)
        self.check_end()

    def test_workers_that_are_replaced(self):
        self.gunicorn("--preload", "--max-requests", "3")
        told = self.load()
        self.assertGreater(len({one["pid"] for one in told}), 2)
        self.check_end()

    def test_a_reload(self):
        self.gunicorn()
        before = {one["pid"] for one in self.load()}
        self.process.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.get()["pid"] not in before, "the reload")
        wait_until(
            lambda: not before & {self.get()["pid"] for _ in range(4)},
            "the end of the old workers",
        )
        self.load()
        self.wait_for_loads(4)
        self.check_end()


class Uwsgi(ServerTest):
    def uwsgi(self, *options):
        self.start(
            needs("uwsgi"), "--plugin", "python3", "--http-socket",
            "127.0.0.1:{port}", "--master", "--processes", "2",
            "--need-app", "--die-on-term", "--disable-logging",
            "--worker-reload-mercy", "25",
            "--wsgi-file", os.path.join(HERE, "wsgi_app.py"), *options,
        )

    def test_workers_forked_after_the_app_was_loaded(self):
        self.uwsgi()
        told = self.load()
        self.assertEqual({one["threads"] for one in told}, {2})
        self.check_end()

    def test_workers_with_threads(self):
        self.uwsgi("--threads", "4")
        told = self.load()
        self.assertLessEqual(max(one["threads"] for one in told), 6)
        self.check_end()

    def test_workers_that_load_the_app_themselves(self):
        self.uwsgi("--lazy-apps")
        told = self.load()
        self.wait_for_loads(2)
        self.assertEqual({one["threads"] for one in told}, {2})
        self.check_end()

    def test_workers_that_are_replaced(self):
        self.uwsgi("--max-requests", "7", "--min-worker-lifetime", "0")
        told = self.load()
        self.assertGreater(len({one["pid"] for one in told}), 2)
        self.check_end()


if __name__ == "__main__":
    unittest.main()
