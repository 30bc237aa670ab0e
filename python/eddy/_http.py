"""Fetching: the function, the session, the response."""
import codecs
import collections.abc
import datetime
import json as json_module
import urllib.parse

from . import _calls, _eddy, _errors

_JSON_TYPE = "application/json"
_FORM_TYPE = "application/x-www-form-urlencoded"


class Headers(collections.abc.Mapping):
    """The fields of a head: by name in any case, the values of several fields
    of one name joined by ", ". `pairs` are they as they came."""

    __slots__ = ("pairs", "_by_name")

    def __init__(self, pairs):
        self.pairs = pairs
        self._by_name = {}
        for name, value in pairs:
            self._by_name.setdefault(name.lower(), (name, []))[1].append(value)

    def __getitem__(self, name):
        return ", ".join(self._by_name[name.lower()][1])

    def get_all(self, name):
        """The values of all fields of that name."""
        return list(self._by_name.get(name.lower(), ("", []))[1])

    def __iter__(self):
        return (name for name, _ in self._by_name.values())

    def __len__(self):
        return len(self._by_name)

    def __repr__(self):
        return f"Headers({self.pairs!r})"


class Response(_eddy.Response):
    """What the server answered, whatever the status.

    `.status`, `.reason`, `.url` (where it came from in the end), `.redirects`,
    `.reused` (the connection), `.content` (the body as bytes), `.read(n)` (of a
    body that is streamed: a handle of the next piece, b"" at the end), and what
    is below.
    """

    __slots__ = ("_headers",)

    @property
    def headers(self):
        try:
            return self._headers
        except AttributeError:
            self._headers = Headers(self._fields())
            return self._headers

    @property
    def ok(self):
        return self.status < 400

    @property
    def encoding(self):
        """What the Content-Type says, or else UTF-8."""
        for part in (self.header("Content-Type") or "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                value = value.strip(" \"'")
                try:
                    b"a".decode(value, "replace")  # a codec of other things?
                    return codecs.lookup(value).name
                except (LookupError, ValueError):
                    break
        return "utf-8"

    @property
    def text(self):
        return self.content.decode(self.encoding, "replace")

    def json(self, **options):
        """The body as JSON; ValueError when it is none."""
        return json_module.loads(self.content, **options)

    @property
    def elapsed(self):
        """From the call to the end of the body (of one that is streamed, of the
        head), as a timedelta."""
        times = self._times()
        return datetime.timedelta(seconds=times[6] or times[5] or 0)

    @property
    def timing(self):
        """Seconds from the call to the end of each phase; None: there was
        none."""
        names = ("queue", "dns", "connect", "tls", "send", "wait", "receive")
        return dict(zip(names, self._times()))

    def raise_for_status(self):
        """Raises HTTPError from 400 on; returns the response otherwise."""
        if self.ok:
            return self
        shown = _errors.shown(self.url)
        error = _errors.HTTPError(f"{self.status} {self.reason} from {shown}")
        error.response = self
        error.url = shown
        error.host = _errors.host_of(self.url)
        error.phase = "receive"
        raise error

    def iter_content(self, size=65536):
        """The pieces of a body that is streamed, as they come."""
        piece = self.read(size).wait()
        while piece:
            yield piece
            piece = self.read(size).wait()

    def iter_lines(self, limit=1 << 20):
        """Its lines as bytes, without their ends; one that is longer than
        `limit` is TooLarge."""
        held = b""
        for piece in self.iter_content():
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                yield line[:-1] if line.endswith(b"\r") else line
            if len(held) > limit:
                raise _errors.TooLarge(f"a line of more than {limit} bytes")
        if held:
            yield held

    async def __aiter__(self):
        piece = await self.read()
        while piece:
            yield piece
            piece = await self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<eddy.Response {self.status} {self.reason}>"


# ---- arguments ----


def _with_params(url, params):
    query = params
    if not isinstance(params, (str, bytes)):
        query = urllib.parse.urlencode(params, doseq=True)
    elif isinstance(params, bytes):
        query = params.decode()
    if isinstance(url, bytes):
        url = url.decode()
    url, hash_, fragment = url.partition("#")
    joint = "&" if "?" in url else "?"
    if url.endswith(("?", "&")):
        joint = ""
    return f"{url}{joint}{query}{hash_}{fragment}" if query else url


def _body_of(body, json, form, options):
    if body is not None or (json is not None and form is not None):
        raise _errors.UsageError("only one of body, json and form")
    if json is not None:
        options.setdefault("content_type", _JSON_TYPE)
        return json_module.dumps(json).encode()
    options.setdefault("content_type", _FORM_TYPE)
    return urllib.parse.urlencode(form, doseq=True).encode()


def _pairs_of(headers):
    if headers is None:
        return []
    items = getattr(headers, "items", None)
    return list(items() if items else headers)


def _with_cookies(headers, cookies):
    pairs = (f"{name}={value}" for name, value in cookies.items())
    return [*_pairs_of(headers), ("Cookie", "; ".join(pairs))]


def fetch(
    url,
    method=None,
    headers=None,
    body=None,
    json=None,
    params=None,
    timeout=None,
    connect_timeout=None,
    *,
    form=None,
    cookies=None,
    **options,
):
    """Sends a request; returns at once with the handle of its Response.

    method           GET, or POST when there is a body
    headers          a mapping, or pairs; a list is a field for each
    body             bytes or str; or json=, form=, file= (a path), one of them;
                     content_type of body and file
    params           of the query
    cookies          a mapping, for this request
    auth             (user, password), or with "digest" or "any" behind them
    bearer           a token
    timeout          seconds for all of it; connect_timeout: for connecting
    max_body         bytes of the answer, at most; 64 MiB
    max_redirects    followed; 10
    etag, range      asks only for what has changed, or for a part
    stream           gives the Response with its head; then read(),
                     iter_content(), close()
    retry_unsafe     a POST may be sent again
    """
    if params:
        url = _with_params(url, params)
    if json is not None or form is not None:
        body = _body_of(body, json, form, options)
    if cookies:
        headers = _with_cookies(headers, cookies)
    return _eddy.fetch(
        url,
        method,
        headers,
        body,
        timeout=timeout,
        connect_timeout=connect_timeout,
        **options,
    )


# ---- sessions ----

_RETRY = ("attempts", "backoff", "max_backoff")
_LIMIT = {"max": "limit", "adaptive": "adaptive", "queue": "queue"}


def _client_options(retries, limit, verify, cert, max_redirects, cookies):
    options = {"cookies": cookies is not False and cookies is not None}
    if isinstance(retries, dict):
        options.update((key, retries[key]) for key in retries)
        unknown = set(retries) - set(_RETRY)
        if unknown:
            raise TypeError(f"retries has no {unknown.pop()!r}: {_RETRY}")
    elif retries:
        options["attempts"] = retries + 1
    if isinstance(limit, dict):
        options.update((_LIMIT[key], value) for key, value in limit.items())
    elif limit:
        options["limit"] = limit
    if verify is not True or cert:
        options["own_tls"] = True
        options["no_verify"] = verify is False
        if isinstance(verify, (str, bytes)):
            options["ca"] = verify
        certificate, key = cert if isinstance(cert, tuple) else (cert, None)
        options.update(certificate=certificate, key=key)
    if max_redirects is not None:
        options["max_redirects"] = max_redirects or -1
    return options


_CLIENT = frozenset(
    "max_per_host max_idle keep_alive local proxy no_proxy resolve_timeout"
    " connect_timeout tls_timeout first_byte_timeout idle_timeout timeout"
    " max_body user_agent no_decoding hedge_after balance".split()
)


class Session:
    """What is true of all requests to a service is said once.

        with eddy.Session("http://users.local/v1/", retries=2, timeout=1) as s:
            one, two = eddy.gather([s.get("42"), s.get("43")])

    base_url      what relative URLs are relative to
    headers       of every request; those of a request take their place
    auth, bearer  sent to the host of base_url, or, without one, to all
    cookies       True: keeps what servers set; a mapping: these, to begin with,
                  of base_url
    retries       how often a request may be sent again that is safe to; or
                  {"attempts": 3, "backoff": 0.05, "max_backoff": 1}
    limit         requests under way to a host; or {"max": 100, "adaptive":
                  True, "queue": 500}
    verify        False: any certificate; a path: these issuers only
    cert          a path, or (certificate, key)
    hedge_after   seconds, after which a GET is sent a second time
    balance       over all addresses of a name
    and max_per_host, max_idle, keep_alive, local, proxy, no_proxy, timeout,
    resolve_timeout, connect_timeout, tls_timeout, first_byte_timeout,
    idle_timeout, max_body, max_redirects, user_agent, no_decoding, as of
    ed_client_new() (docs/client.md).

    Any thread may use it; a forked child may, too, and has connections and
    cookies of its own there.
    """

    def __init__(
        self,
        base_url=None,
        *,
        headers=None,
        auth=None,
        bearer=None,
        cookies=None,
        retries=0,
        limit=0,
        verify=True,
        cert=None,
        max_redirects=None,
        **options,
    ):
        unknown = set(options) - _CLIENT
        if unknown:
            raise TypeError(f"Session() has no option {unknown.pop()!r}")
        self.base_url = base_url
        self.headers = _pairs_of(headers)
        self._auth = auth
        self._bearer = bearer
        self._client = _eddy.Client(
            **options,
            **_client_options(
                retries, limit, verify, cert, max_redirects, cookies
            ),
        )
        if isinstance(cookies, dict):
            for name, value in cookies.items():
                self.set_cookie(f"{name}={value}; Path=/")

    def fetch(self, url, method=None, *, headers=None, **options):
        """As eddy.fetch(), with what the session says."""
        if self.base_url:
            url = urllib.parse.urljoin(self.base_url, url)
        if self.headers:
            headers = self._merged(headers)
        if headers:
            options["headers"] = headers
        if (self._auth or self._bearer) and self._is_ours(url):
            if "auth" not in options and "bearer" not in options:
                options["auth"] = self._auth
                options["bearer"] = self._bearer
        return fetch(url, method, client=self._client, **options)

    def _merged(self, headers):
        own = _pairs_of(headers)
        named = {_lower(name) for name, _ in own}
        kept = [pair for pair in self.headers if _lower(pair[0]) not in named]
        return kept + own

    def _is_ours(self, url):
        """Credentials are for the host they were given for."""
        if not self.base_url:
            return True
        parts = urllib.parse.urlsplit
        return parts(url)[:2] == parts(self.base_url)[:2]

    def get(self, url, **options):
        return self.fetch(url, "GET", **options)

    def head(self, url, **options):
        return self.fetch(url, "HEAD", **options)

    def options(self, url, **options):
        return self.fetch(url, "OPTIONS", **options)

    def post(self, url, body=None, **options):
        return self._send("POST", url, body, options)

    def put(self, url, body=None, **options):
        return self._send("PUT", url, body, options)

    def patch(self, url, body=None, **options):
        return self._send("PATCH", url, body, options)

    def delete(self, url, **options):
        return self.fetch(url, "DELETE", **options)

    def _send(self, method, url, body, options):
        if body is not None:
            options["body"] = body
        return self.fetch(url, method, **options)

    def cookies(self, timeout=5):
        """What is kept, a dict for each: name, value, domain, path, expires."""
        return self._client.cookies().wait(timeout)

    def set_cookie(self, cookie, url=None, timeout=5):
        """Takes a cookie as if a server had set it: "name=value; Path=/"."""
        url = url or self.base_url
        if not url:
            raise _errors.UsageError("of which URL, without a base_url?")
        self._client.cookies(url, cookie).wait(timeout)

    def close(self):
        """Lets its connections go when what is under way has ended."""
        self._client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _lower(name):
    return name.lower() if isinstance(name, str) else name.decode().lower()


# ---- what the other half of the module calls ----


def _set_hooks():
    from . import _databases

    _eddy.set_hooks(
        {
            "eventual": _calls.EventualResult,
            "response": Response,
            "rows": _databases.Rows,
            "failure": _errors.from_failure,
            "unclaimed": _calls._unclaimed,
            "convert": _databases.convert,
            "timeout": _errors.TimeoutError,
            "waited": _errors.WaitTimeout,
        }
    )


_set_hooks()
