/*
 * console.h - the page that shows a running server: requests, latency, workers,
 * live and as charts.
 */
#ifndef EDDY_SERVE_CONSOLE_H
#define EDDY_SERVE_CONSOLE_H

#include <eddy/app.h>

/*
 * Adds "GET /console/" and the page's files to an app that has the /v1 API
 * beside it, and a redirect from "/console". Nothing of it is secret: what
 * the page shows it asks of the API, which decides whom it answers. The files
 * are part of the program. Does not suspend.
 */
void ed_console_routes(ed_app *app);

#endif
