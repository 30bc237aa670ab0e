"""PostgreSQL and Redis, in the manner of fetch()."""
import datetime
import decimal
import functools
import json
import operator
import uuid

from . import _eddy, _errors

# ---- values of PostgreSQL ----

_EPOCH = datetime.datetime(1970, 1, 1)
_UTC = datetime.timezone.utc
# As the library tells them (pg_value.h): there are no such times in Python.
_INFINITY = 2**63 - 1


def _timestamp(microseconds):
    if microseconds >= _INFINITY:
        return datetime.datetime.max
    if microseconds < -_INFINITY:
        return datetime.datetime.min
    return _EPOCH + datetime.timedelta(microseconds=microseconds)


def _timestamptz(microseconds):
    return _timestamp(microseconds).replace(tzinfo=_UTC)


def _bool(text):
    return text == "t"


def _bytea(text):
    return bytes.fromhex(text[2:])


def _split(text):
    """The elements of an array as PostgreSQL writes it: str, None, or lists."""
    stack, word, quoted, was_quoted = [[]], [], False, False

    def end_word():
        nonlocal word, was_quoted
        if word or was_quoted:
            value = "".join(word)
            null = value == "NULL" and not was_quoted
            stack[-1].append(None if null else value)
        word, was_quoted = [], False

    characters = iter(text[text.index("{"):])
    for c in characters:
        if c == "\\":
            word.append(next(characters, ""))
        elif c == '"':
            quoted, was_quoted = not quoted, True
        elif quoted:
            word.append(c)
        elif c == "{":
            stack.append([])
        elif c == ",":
            end_word()
        elif c == "}":
            end_word()
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            word.append(c)
    return stack[0][0]


def _array(element):
    def each(value):
        if isinstance(value, list):
            return [each(one) for one in value]
        return None if value is None else element(value)

    return lambda text: each(_split(text))


# By pg_type.oid; the oid of the array behind the type. What has no row is str.
_ELEMENTS = [
    (16, 1000, _bool),
    (17, 1001, _bytea),
    (20, 1016, int),
    (21, 1005, int),
    (23, 1007, int),
    (25, 1009, str),
    (114, 199, json.loads),
    (700, 1021, float),
    (701, 1022, float),
    (1042, 1014, str),
    (1043, 1015, str),
    (1082, 1182, datetime.date.fromisoformat),
    (1700, 1231, decimal.Decimal),
    (2950, 2951, uuid.UUID),
    (3802, 3807, json.loads),
]
_CONVERTERS = {oid: make for oid, _, make in _ELEMENTS}
_CONVERTERS.update((oid, _array(make)) for _, oid, make in _ELEMENTS)
_CONVERTERS.update({1114: _timestamp, 1184: _timestamptz})


def convert(oid, raw):
    """The value of a type that has no counterpart in C: of its text, or, of
    timestamps, of microseconds. What Python cannot hold stays as it is, such as
    a date before Christ, or JSON of a thousand levels."""
    make = _CONVERTERS.get(oid)
    if make is None:
        return raw
    try:
        return make(raw)
    except (
        ValueError, OverflowError, decimal.InvalidOperation, RecursionError
    ):
        return raw


def _parameter(value):
    """What the other half of the module takes: as it is, or as text, which
    PostgreSQL reads as the type of where it stands."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, (list, tuple)):
        return _array_text(value)
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, datetime.timedelta):
        micro = datetime.timedelta(microseconds=1)
        return f"{value // micro} microseconds"
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return str(value)


def _array_text(values):
    def one(value):
        if value is None:
            return "NULL"
        if isinstance(value, (list, tuple)):
            return _array_text(value)
        if isinstance(value, (bytes, bytearray)):
            text = "\\x" + value.hex()
        else:
            text = str(_parameter(value))
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    return "{" + ",".join(one(value) for value in values) + "}"


class Row(tuple):
    """A row: by index, by name, by attribute."""

    __slots__ = ()
    _columns = ()

    def __getitem__(self, key):
        if isinstance(key, str):
            try:
                key = self._columns.index(key)
            except ValueError:
                raise KeyError(key) from None
        return tuple.__getitem__(self, key)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def keys(self):
        return list(self._columns)

    def as_dict(self):
        return dict(zip(self._columns, self))

    def __repr__(self):
        inside = ", ".join(f"{k}={v!r}" for k, v in zip(self._columns, self))
        return f"Row({inside})"

    def __reduce__(self):
        return _row_of, (self._columns, tuple(self))


# Methods of a tuple, which a row gives up for columns of these names: the
# first is what PostgreSQL calls count(*).
_SHADOWED = ("count", "index")


@functools.lru_cache(256)
def _row_type(columns):
    members = {"__slots__": (), "_columns": columns}
    for name in _SHADOWED:
        if name in columns:
            getter = operator.itemgetter(columns.index(name))
            members[name] = property(getter)
    return type("Row", (Row,), members)


def _row_of(columns, values):
    return _row_type(columns)(values)


class Rows(list):
    """The rows of a statement, a list of Row. `columns` are their names,
    `affected` how many were changed, inserted, deleted or selected."""

    def __init__(self, rows, columns, affected):
        super().__init__(map(_row_type(columns), rows))
        self.columns = columns
        self.affected = affected

    def one(self):
        """The only row; LookupError when there is none or several."""
        if len(self) != 1:
            raise LookupError(f"{len(self)} rows instead of one")
        return self[0]

    def value(self):
        """The first column of the only row."""
        return self.one()[0]


def _pairs(args, named):
    if args and named:
        raise _errors.UsageError("parameters by position or by name, not both")
    pairs = [(None, _parameter(value)) for value in args]
    return pairs + [(name, _parameter(value)) for name, value in named.items()]


class Pg:
    """A pool of connections to PostgreSQL, made by eddy.pg().

    Parameters stand as :name or $1 in the text and travel beside it. Statements
    go out on connections that others may be using (pipelining), and are
    prepared by themselves.
    """

    def __init__(self, dsn, **options):
        self._pool = _eddy.Pg(dsn, **options)
        self._about = dsn if "://" in dsn else "postgresql://"

    def query(self, sql, /, *args, **named):
        """Runs a statement; the handle of its Rows."""
        return self._run(sql, args, named, False)

    def read(self, sql, /, *args, **named):
        """query() of a statement that changes nothing: cheaper, and sent again
        when the connection breaks."""
        return self._run(sql, args, named, True)

    def _run(self, sql, args, named, read_only):
        statement = (sql, _pairs(args, named))
        return self._pool.run([statement], self._about, read_only, False, False)

    def transaction(self, statements):
        """Runs statements, all or none: a text each, or a text and a mapping or
        a list of its parameters. The handle of a list of Rows."""
        list_ = []
        for statement in statements:
            if isinstance(statement, str):
                statement = (statement, ())
            sql, given = statement
            named = given if isinstance(given, dict) else {}
            args = () if named else given
            list_.append((sql, _pairs(tuple(args), named)))
        return self._pool.run(list_, self._about, False, True, False)

    def script(self, sql):
        """Runs a text of several statements, as psql would; gives None."""
        return self._pool.run([(sql, [])], self._about, False, False, True)

    def close(self):
        """Closes its connections when what is under way has ended."""
        self._pool.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def pg(dsn, **options):
    """A pool of PostgreSQL connections, which are opened when needed.

    dsn               "postgresql://app@db.local/shop", or libpq's key=value
    min, max          connections; 0 and 10
    max_wait          seconds for one; 30
    connect_timeout   seconds; 10
    read_only         every statement is
    statements        prepared ones kept by each connection; 256, -1: none
    """
    return Pg(dsn, **options)


class Redis:
    """A client of Redis, made by eddy.redis(). What is asked for at the same
    time is sent together."""

    def __init__(self, url=None, *, decode=False, **options):
        self._client = _eddy.Redis(url, **options)
        self._decode = decode
        self._about = url or "redis://127.0.0.1:6379"

    def command(self, *words):
        """Runs a command: its name and arguments, str, bytes or numbers. The
        handle of the reply: None, int, bytes (str with `decode`), a list; of a
        status its words. An error of the server is a DatabaseError."""
        return self._client.run([words], self._about, False, self._decode)

    def multi(self, commands):
        """Runs commands, each a list of words, without any other in between.
        The handle of a list of replies, in which errors are values."""
        commands = [list(words) for words in commands]
        return self._client.run(commands, self._about, True, self._decode)

    def close(self):
        self._client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def redis(url=None, **options):
    """A client of Redis; it connects when needed.

    url               "redis://[[user]:password@]host[:port][/db]", rediss://
                      for TLS, unix:///path, or Sentinels and clusters as in
                      docs/redis.md; None: REDIS_URL, or the local one
    decode            strings as str instead of bytes
    connections       2
    max_reply         bytes; 64 MiB
    connect_timeout   seconds; 5
    """
    return Redis(url, **options)
