"""Many calls at once from programs that stay synchronous.

    import eddy

    user = eddy.fetch("http://users.local/42")
    shop = eddy.fetch("http://shops.local/7", timeout=2)
    user, shop = eddy.gather([user, shop], timeout=3)
    print(user.json(), shop.text)

A call returns at once with a handle, an `EventualResult`. One thread in the
background, started at the first call, does all of them. Any thread may wait for
any handle; asyncio may await them. docs/python.md says everything.
"""
from ._calls import (
    EventualResult,
    as_completed,
    gather,
    race,
    retrieve_result,
    start,
    stop,
    counts,
    log_level,
)
from ._databases import Pg, Redis, Row, Rows, pg, redis
from ._errors import (
    Canceled,
    CertificateError,
    ConnectError,
    ConnectionLost,
    DatabaseError,
    Error,
    HTTPError,
    IntegrityError,
    Overload,
    ProtocolError,
    ProxyError,
    ResolveError,
    SerializationError,
    Stopped,
    TimeoutError,
    TLSError,
    TooLarge,
    TooManyRedirects,
    UncertainError,
    UsageError,
    WaitTimeout,
)
from ._http import Headers, Response, Session, fetch
from ._eddy import VERSION as __version__

__all__ = [name for name in dir() if not name.startswith("_")]
for _name in __all__:
    _object = globals()[_name]
    if getattr(_object, "__module__", "").startswith("eddy._"):
        _object.__module__ = "eddy"
