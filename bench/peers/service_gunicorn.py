"""A WSGI service for gunicorn's gevent workers, with psycopg2 made to yield by
psycogreen: GET /ping and GET /db.

DATABASE=DSN gunicorn --worker-class gevent service_gunicorn:app
"""
import json
import os
import random

import psycopg2
from gevent.queue import Queue
from psycogreen.gevent import patch_psycopg

patch_psycopg()

POOL = 8
WORLDS = 10000
QUERY = "select randomnumber from world where id = %s"
GREETING = b"Hello, world!\n"

connections = Queue()


def open_database():
    """In the worker, at the first request that asks for a row."""
    global opened
    opened = True
    for _ in range(POOL):
        connection = psycopg2.connect(os.environ["DATABASE"])
        connection.autocommit = True
        connections.put(connection)


opened = False


def row():
    if not opened:
        open_database()
    id = random.randint(1, WORLDS)
    connection = connections.get()
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERY, (id,))
            number = cursor.fetchone()[0]
    finally:
        connections.put(connection)
    return json.dumps({"id": id, "randomNumber": number}).encode()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/db":
        body, kind = row(), "application/json"
    else:
        body, kind = GREETING, "text/plain"
    fields = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response("200 OK", fields)
    return [body]
