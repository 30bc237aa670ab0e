"""fido's interface, on Eddy.

    from eddy.compat import fido

    answer = fido.fetch("http://users.local/42", timeout=2).wait(3)
    answer.code, answer.json()

As fido says: no redirects, no cookies, no retries, bodies as they came unless
`decompress_gzip`, `http_proxy` read for each request. Otherwise, and better:
connections are kept for the next request; every `timeout` is an HTTPTimeoutError,
in whatever phase; the other failures are NetworkErrors as well, not somebody
else's; a Content-Length without a body is left out.
"""
import collections
import json
import os
import threading
import zlib

from .. import _eddy, _errors
from . import crochet

__all__ = [
    "GzipDecompressionError",
    "HTTPTimeoutError",
    "NetworkError",
    "Response",
    "TCPConnectionError",
    "fetch",
]

USER_AGENT = "Fido/4.2.3"
# Of a body that is inflated here; the library's own limit for those it reads.
MAX_BODY = 64 * 1024 * 1024
# Proxies that are known at once; the least recently used gives way.
MAX_CLIENTS = 16


class NetworkError(Exception):
    """The request failed."""


class TCPConnectionError(NetworkError):
    """No connection, or not within `connect_timeout`."""


class HTTPTimeoutError(crochet.TimeoutError, NetworkError):
    """No whole response within `timeout`."""


class GzipDecompressionError(NetworkError, zlib.error):
    """The body is not what its Content-Encoding says."""


# Names that are not written by the rule, as Twisted writes them.
_CASES = {
    b"content-md5": b"Content-MD5",
    b"dnt": b"DNT",
    b"etag": b"ETag",
    b"p3p": b"P3P",
    b"te": b"TE",
    b"www-authenticate": b"WWW-Authenticate",
    b"x-xss-protection": b"X-XSS-Protection",
}


def _canonical(name):
    lower = name.lower()
    parts = lower.split(b"-")
    return _CASES.get(lower, b"-".join(part.capitalize() for part in parts))


class Response:
    """code, reason (bytes), headers (of bytes: a list of values each), body."""

    def __init__(self, code, reason, headers, body):
        self.code = code
        self.reason = reason
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self):
        return f"<fido.Response {self.code}>"


def _inflate(body):
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body, MAX_BODY)
        whole = inflater.eof or not body
    except zlib.error as error:
        raise GzipDecompressionError(str(error)) from error
    if inflater.unconsumed_tail:
        raise NetworkError(f"more than {MAX_BODY} bytes when inflated")
    if not whole:
        raise GzipDecompressionError("the body ends in its middle")
    return inflated


def _response_of(answer, decompress):
    headers = {}
    reason, fields = answer._raw()
    for name, value in fields:
        headers.setdefault(_canonical(name), []).append(value)
    body = answer.content
    if decompress and headers.get(b"Content-Encoding") == [b"gzip"]:
        body = _inflate(body)
    return Response(answer.status, reason, headers, body)


def _error_of(error):
    text = str(error)
    if isinstance(error, _errors.Stopped):
        return crochet.ReactorStopped(text)
    if isinstance(error, _errors.TimeoutError):
        late = error.phase == "connect" and "connect timeout" in text
        return TCPConnectionError(text) if late else HTTPTimeoutError(text)
    if isinstance(error, _errors.ConnectError) and error.phase == "connect":
        return TCPConnectionError(text)
    return NetworkError(text)


class _Fetched(crochet.EventualResult):
    """A handle of crochet's on one of Eddy's."""

    def __init__(self, inner, decompress):
        self._inner = inner
        self._decompress = decompress
        self._stopped = False
        self._value = None
        with crochet._reactor.lock:
            crochet._reactor.fetches.add(self)
            late = crochet._reactor.stopped
        if late:
            self._stop()

    def wait(self, timeout):
        crochet._reactor.refuse_inside()
        try:
            answer = self._inner.wait(timeout)
        except _errors.WaitTimeout:
            raise crochet.TimeoutError() from None
        except _errors.Error as error:
            raise self._translated(error) from error
        if self._value is None:
            self._value = _response_of(answer, self._decompress)
        return self._value

    def _translated(self, error):
        if self._stopped and isinstance(error, _errors.Canceled):
            return crochet.ReactorStopped()
        return _error_of(error)

    def cancel(self):
        self._inner.cancel()

    def original_failure(self):
        if not self._inner.done():
            return None
        try:
            self.wait(0)
        except Exception as error:
            return crochet.Failure(error)
        return None

    def _stop(self):
        self._stopped = True
        self._inner.cancel()

    def __del__(self):
        pass  # Eddy's handle logs what nobody has asked for


# ---- requests ----

_clients = collections.OrderedDict()
_clients_lock = threading.Lock()


def _client_for(proxy):
    with _clients_lock:
        client = _clients.pop(proxy, None)
        if client is None:
            client = _eddy.Client(
                proxy=proxy,
                no_proxy="",
                no_decoding=True,
                max_redirects=-1,
                max_body=MAX_BODY,
            )
        _clients[proxy] = client
        if len(_clients) > MAX_CLIENTS:
            _clients.popitem(last=False)
    return client


def _forked():
    global _clients_lock
    _clients_lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def _bytes(text):
    if isinstance(text, str):
        return text.encode("utf-8")
    return bytes(memoryview(text))  # bytes(3) would be three zeros


def _fields(headers, decompress):
    """Pairs of bytes, with what fido adds and without what it recomputes."""
    pairs = []
    for name, values in dict(headers or {}).items():
        name = _bytes(name)
        if name.lower() == b"content-length":
            continue
        if isinstance(values, (str, bytes)):
            values = [values]
        pairs += [(name, _bytes(value)) for value in values]
    names = {name.lower() for name, _ in pairs}
    if b"user-agent" not in names:
        pairs.append((b"User-Agent", USER_AGENT.encode()))
    accepted = {v for n, v in pairs if n.lower() == b"accept-encoding"}
    if decompress and b"gzip" not in accepted:
        pairs.append((b"Accept-Encoding", b"gzip"))
    return pairs


def _proxy_for(url):
    if url[:5].lower() != b"http:":
        return ""
    return os.environ.get("http_proxy", "")


def fetch(
    url,
    method="GET",
    headers=None,
    body="",
    timeout=None,
    connect_timeout=None,
    tcp_nodelay=False,
    decompress_gzip=False,
):
    """Sends a request; the EventualResult of its Response. All of fido's
    arguments; Eddy's sockets are always without delay (`tcp_nodelay`)."""
    del tcp_nodelay
    crochet.setup()
    if crochet._reactor.stopped:
        raise crochet.ReactorStopped()
    url = _bytes(url)
    inner = _eddy.fetch(
        url,
        method,
        headers=_fields(headers, decompress_gzip),
        body=_bytes(body) if body else None,
        timeout=timeout,
        connect_timeout=connect_timeout,
        client=_client_for(_proxy_for(url)),
    )
    return _Fetched(inner, decompress_gzip)
