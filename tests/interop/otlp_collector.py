#!/usr/bin/env python3
"""A collector that takes nothing but OTLP/HTTP traces in JSON as the protocol
has them: `otlp_collector.py PORT FILE`. Answers 400, and says why in FILE, to
what is otherwise; writes a line for each span to FILE.

Fields and their types are those of opentelemetry/proto/trace/v1/trace.proto, in
the JSON mapping of OTLP 1.x: ids in hexadecimal, numbers of 64 bits as texts,
enumerations as numbers.
"""
import gzip
import http.server
import json
import re
import sys


def need(holds, what):
    if not holds:
        raise ValueError(what)


def text(value):
    need(isinstance(value, str), f"no text: {value!r}")


def number(value):
    need(type(value) is int and 0 <= value < 2**32, f"no number: {value!r}")


def number64(value):
    need(isinstance(value, str) and re.fullmatch(r"-?\d+", value),
         f"no number of 64 bits: {value!r}")


def hexadecimal(digits):
    def check(value):
        need(isinstance(value, str)
             and re.fullmatch("[0-9a-f]{%d}" % digits, value)
             and value.strip("0"), f"no id: {value!r}")
    return check


def several(check):
    def each(value):
        need(isinstance(value, list), f"no list: {value!r}")
        for one in value:
            check(one)
    return each


def message(required="", **fields):
    def check(value):
        need(isinstance(value, dict), f"no object: {value!r}")
        for name, member in value.items():
            need(name in fields, f"unknown field {name}")
            fields[name](member)
        for name in required.split():
            need(name in value, f"no {name} in {value!r}")
    return check


VALUE = message(stringValue=text, intValue=number64)
ATTRIBUTES = several(message("key value", key=text, value=VALUE))
SPAN = message(
    "traceId spanId name kind startTimeUnixNano endTimeUnixNano",
    traceId=hexadecimal(32), spanId=hexadecimal(16), traceState=text,
    parentSpanId=hexadecimal(16), flags=number, name=text, kind=number,
    startTimeUnixNano=number64, endTimeUnixNano=number64,
    attributes=ATTRIBUTES, status=message(code=number, message=text))
REQUEST = message("resourceSpans", resourceSpans=several(message(
    "resource scopeSpans",
    resource=message("attributes", attributes=ATTRIBUTES),
    scopeSpans=several(message(
        "scope spans", scope=message("name", name=text, version=text),
        spans=several(SPAN))))))


def attributes_of(thing):
    return {a["key"]: next(iter(a["value"].values()))
            for a in thing["attributes"]}


def spans_of(request):
    for resource in request["resourceSpans"]:
        need("service.name" in attributes_of(resource["resource"]),
             "whose spans?")
        for scope in resource["scopeSpans"]:
            yield from scope["spans"]


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        need(self.path == "/v1/traces", self.path)
        need(self.headers["Content-Type"] == "application/json", "the type")
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        request = json.loads(body)
        REQUEST(request)
        with open(sys.argv[2], "a", encoding="utf-8") as out:
            for span in spans_of(request):
                print(span["kind"], span["name"], span["traceId"],
                      span["spanId"], span.get("parentSpanId", "-"),
                      attributes_of(span).get("http.response.status_code"),
                      file=out)

    def do_POST(self):
        status = 200
        try:
            self.take()
        except (ValueError, KeyError) as error:
            status = 400
            with open(sys.argv[2], "a", encoding="utf-8") as out:
                print("wrong:", error, file=out)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                Collector).serve_forever()
