import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from . import crochet

_Text = Union[str, bytes]

class NetworkError(Exception): ...
class TCPConnectionError(NetworkError): ...
class HTTPTimeoutError(crochet.TimeoutError, NetworkError): ...
class GzipDecompressionError(NetworkError, zlib.error): ...

class Response:
    code: int
    reason: bytes
    headers: dict[bytes, list[bytes]]
    body: bytes
    def __init__(
        self,
        code: int,
        reason: bytes,
        headers: dict[bytes, list[bytes]],
        body: bytes,
    ) -> None: ...
    def json(self) -> Any: ...

def fetch(
    url: _Text,
    method: str = "GET",
    headers: Optional[Mapping[Any, Union[_Text, Sequence[_Text]]]] = None,
    body: _Text = "",
    timeout: Optional[float] = None,
    connect_timeout: Optional[float] = None,
    tcp_nodelay: bool = False,
    decompress_gzip: bool = False,
) -> crochet.EventualResult: ...
