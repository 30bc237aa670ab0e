"""GET /ping for gunicorn, and nothing else that would have to be started."""
GREETING = b"Hello, world!\n"


def app(environ, start_response):
    fields = [("Content-Type", "text/plain")]
    fields.append(("Content-Length", str(len(GREETING))))
    start_response("200 OK", fields)
    return [GREETING]
