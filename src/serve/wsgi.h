/*
 * wsgi.h - what `eddy serve --wsgi` looks for in libeddy-wsgi.so, the host of
 * Python (python/wsgi/).
 *
 * Both are of one version: the settings are shared as they are.
 */
#ifndef EDDY_SERVE_WSGI_H
#define EDDY_SERVE_WSGI_H

#include <eddy/app.h>
#include "serve/settings.h"

/* Starts Python in this process and loads the application. NULL with the
 * reason in the log. The settings are borrowed for the life of the app. Once
 * in a process, on its first thread. */
typedef ed_app *ed_wsgi_app_fn(const struct ed_settings *settings);
#define ED_WSGI_FUNCTION "eddy_wsgi_app"

/* EDDY_VERSION, as text. */
#define ED_WSGI_VERSION "eddy_wsgi_version"

#endif
