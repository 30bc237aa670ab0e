"""A Django project in one file: database, forms, sessions, streams, files."""
import time

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                           "NAME": ":memory:"}},
    LOGGING_CONFIG=None,
)
django.setup()

from django import http  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.urls import path  # noqa: E402


def index(request):
    return http.HttpResponse("django")


def form(request):
    upload = request.FILES.get("file")
    return http.JsonResponse({
        "name": request.POST.get("name"),
        "args": request.GET.getlist("a"),
        "size": upload.size if upload else None,
        "url": request.build_absolute_uri(),
    })


def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return http.HttpResponse(str(request.session["n"]))


def database(request):
    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        return http.HttpResponse(str(cursor.fetchone()[0]))


def stream(request):
    def lines():
        for n in range(3):
            yield f"{n}\n"
            time.sleep(0.05)

    return http.StreamingHttpResponse(lines(), content_type="text/plain")


def file(request):
    return http.FileResponse(open(__file__, "rb"))


def boom(request):
    raise RuntimeError("django boom")


urlpatterns = [
    path("", index), path("form", form), path("count", count),
    path("database", database), path("stream", stream), path("file", file),
    path("boom", boom),
]

application = get_wsgi_application()
