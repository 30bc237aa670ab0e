# Half of the module is in C; what programs may use of it is in __init__.pyi.
from typing import Any

def __getattr__(name: str) -> Any: ...
