"""What goes wrong: one family of exceptions, and how a failure becomes one.

Every exception of a call is an `Error`; it says where the call was (`phase`),
whom it was talking to (`host`) and what happened, in the words of the library.
Types are by what a program would do about it, not by where it happened.
"""
import builtins
import re
import urllib.parse


class Error(Exception):
    """A call that failed.

    phase     how far it was: "request" (it could not be made like that),
              "queue", "dns", "connect", "tls", "proxy", "send", "wait" (for the
              head of the answer), "receive" (its body), "query", "command", or
              "" where none of these is meant
    host      "name:port" of whom it was made to, or ""
    url       as it was given, or ""; passwords are left out
    code      the number of the error, as C programs see it
    name      its name, such as "ED_ECONNECT"
    """

    phase = ""
    host = ""
    url = ""
    code = 0
    name = ""


class TimeoutError(Error, builtins.TimeoutError):
    """It took too long, and is over."""


class WaitTimeout(TimeoutError):
    """The wait took too long; what was waited for goes on."""


class Canceled(Error):
    """Somebody called cancel()."""


class Stopped(Error):
    """The loop has stopped, or this process was forked off from the one that
    made the call: there will be no result."""


class UsageError(Error, ValueError):
    """The call makes no sense: a URL that is none, a header that is none."""


class ConnectError(Error, ConnectionError):
    """No connection: nothing was sent."""


class ResolveError(ConnectError):
    """The name has no address."""


class TLSError(ConnectError):
    """TLS failed."""


class CertificateError(TLSError):
    """The server's certificate is not to be trusted."""


class ProxyError(ConnectError):
    """The proxy refused, or is none."""


class ConnectionLost(Error, ConnectionError):
    """The connection broke before the answer was whole."""


class ProtocolError(Error):
    """The answer is malformed, or in a coding that cannot be undone."""


class TooLarge(Error):
    """The answer is larger than allowed."""


class TooManyRedirects(Error):
    """More redirects than allowed."""


class Overload(Error):
    """Too many calls are waiting already."""


class HTTPError(Error):
    """raise_for_status(): the answer was 400 or above; `response` has it."""

    response = None

    def __reduce__(self):
        # To another process, as pools of them do: the response stays here.
        state = {k: v for k, v in vars(self).items() if k != "response"}
        return type(self), self.args, state


class DatabaseError(Error):
    """PostgreSQL or Redis: not there, or not willing. `sqlstate`, `detail`,
    `hint`, `constraint`, `table`, `column` and `position` are PostgreSQL's
    words, "" (0) where it said nothing."""

    sqlstate = ""
    detail = ""
    hint = ""
    constraint = ""
    table = ""
    column = ""
    position = 0


class UncertainError(DatabaseError):
    """The connection broke: it may have been done, or not."""


class IntegrityError(DatabaseError):
    """A constraint is in the way (sqlstate 23...)."""


class SerializationError(DatabaseError):
    """The transaction has to be tried again."""


FAMILY = [
    value
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, Error)
]
for _class in FAMILY:
    _class.__module__ = "eddy"

# name: (type, phase). A phase of None is told by the text.
_TYPES = {
    "ED_ECANCELED": (Canceled, None),
    "ED_ECLOSED": (Stopped, ""),
    "ED_ETIMEOUT": (TimeoutError, None),
    "ED_ELIMIT": (TooLarge, "receive"),
    "ED_EUSAGE": (UsageError, "request"),
    "ED_ENOMEM": (TooLarge, "receive"),
    "ED_EPARSE": (UsageError, "request"),
    "ED_EEOF": (ConnectionLost, None),
    "ED_ECONNLOST": (ConnectionLost, None),
    "ED_ECONNECT": (ConnectError, "connect"),
    "ED_ERESOLVE": (ResolveError, "dns"),
    "ED_EADDR": (UsageError, "request"),
    "ED_ETLS": (TLSError, "tls"),
    "ED_ECERT": (CertificateError, "tls"),
    "ED_ETLSCONFIG": (UsageError, "request"),
    "ED_EPROXY": (ProxyError, "proxy"),
    "ED_EPROTO": (ProtocolError, "receive"),
    "ED_EURL": (UsageError, "request"),
    "ED_EBODYLIMIT": (TooLarge, "receive"),
    "ED_EHEADLIMIT": (TooLarge, "receive"),
    "ED_EREDIRECT": (TooManyRedirects, "receive"),
    "ED_ECODING": (ProtocolError, "receive"),
    "ED_EOVERLOAD": (Overload, "queue"),
    "ED_EDATABASE": (DatabaseError, "connect"),
    "ED_EUNCERTAIN": (UncertainError, "wait"),
    "ED_ESTOPPED": (Stopped, ""),
    "ED_EFORKED": (Stopped, ""),
    "ED_ESQL": (DatabaseError, "query"),
    "ED_EVALUE": (DatabaseError, "query"),
    "ED_EBADREQ": (DatabaseError, "query"),
    "ED_EFORBIDDEN": (DatabaseError, "query"),
    "ED_ENOTFOUND": (DatabaseError, "query"),
    "ED_ECONSTRAINT": (IntegrityError, "query"),
    "ED_ESERIAL": (SerializationError, "query"),
    "ED_EREDIS": (DatabaseError, "command"),
}

# What was missing when the time was over, or the connection: the words of the
# library, the most telling first. test_errors.py meets each of them.
_PHASES = [
    ("name not resolved", "dns"),
    ("not connected", "connect"),
    ("no TLS to the server", "tls"),
    ("no TLS to the proxy", "proxy"),
    ("no answer of the proxy", "proxy"),
    ("before it began", "queue"),
    ("no free connection", "queue"),
    ("limit of the origin", "queue"),
    ("not sent", "send"),
    ("response body", "receive"),
    ("body", "receive"),
    ("response head", "wait"),
    ("first byte", "wait"),
    ("response", "wait"),
]


def _phase_of(text):
    return next((phase for words, phase in _PHASES if words in text), "")


_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432,
          "redis": 6379, "rediss": 6379}


def host_of(url):
    """ "name:port" of a URL; "" where it has none, or cannot be read."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = urllib.parse.unquote(parts.hostname or "")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if not host:
        return ""
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{port}" if port and "/" not in host else host


_USER = re.compile(r"^([A-Za-z][\w+.-]*://)[^/?#]*@")


def shown(url):
    """A URL, None or bytes as well, as it may be shown: without password."""
    if url is not None and not isinstance(url, str):
        url = bytes(url).decode("utf-8", "replace")
    found = _USER.match(url or "")
    # Not by sub(), which imports: an interpreter that ends has no modules.
    return found[1] + url[found.end():] if found else url or ""


def from_failure(code, name, text, about, details=None):
    """The exception of a failed call. `about` is its URL, None if unknown."""
    about = shown(about)
    kind, phase = _TYPES.get(name, (Error, ""))
    details = details or {}
    if name == "ED_ELIMIT" and "reply" not in text:  # the loop refuses more
        kind, phase = Overload, "queue"
        text = "too many calls are under way"
    if details.get("sqlstate", "").startswith("23"):
        kind = IntegrityError
    error = kind(text or name)
    error.code = code
    error.name = name
    error.url = about
    error.host = host_of(about)
    error.phase = _phase_of(text) if phase is None else phase
    for key, value in details.items():
        setattr(error, key, value)
    return error
