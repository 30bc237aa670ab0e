"""The application of the `wsgi` benchmark: 10 KiB at once, as small as WSGI
can be written. Every server runs this file as it is."""

BODY = b"0123456789abcde\n" * 640
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ, start_response):
    start_response("200 OK", FIELDS)
    return [BODY]
