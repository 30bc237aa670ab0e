"""A Flask application as any: forms, sessions, uploads, streams, files."""
import time

import flask

app = flask.Flask(__name__)
app.secret_key = "not secret"


@app.get("/")
def index():
    return "flask"


@app.post("/form")
def form():
    upload = flask.request.files.get("file")
    return {
        "name": flask.request.form.get("name"),
        "args": flask.request.args.getlist("a"),
        "size": len(upload.read()) if upload else None,
        "url": flask.request.url,
    }


@app.get("/count")
def count():
    flask.session["n"] = flask.session.get("n", 0) + 1
    return str(flask.session["n"])


@app.get("/stream")
def stream():
    def lines():
        for n in range(3):
            yield f"{n}\n"
            time.sleep(0.05)

    return flask.Response(lines(), mimetype="text/plain")


@app.get("/file")
def file():
    return flask.send_file(__file__, conditional=True)


@app.get("/missing")
def missing():
    flask.abort(404)


@app.get("/boom")
def boom():
    raise RuntimeError("flask boom")


@app.get("/redirect")
def redirect():
    return flask.redirect(flask.url_for("index"))


def create_app():
    return app
