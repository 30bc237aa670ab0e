/*
 * inspect.h - looking into a worker while it runs: requests under way and
 * where each stands, the tree of fibers, connections.
 *
 * An app of its own, for a server of its own on the worker's loop, that answers
 * about the worker's main server. In JSON, times in seconds:
 *
 *   GET /ps?limit=N        {"requests":[{"id","pid","slot","method","target",
 *                          "peer","age_s","deadline_s","state","waits_for",
 *                          "fiber","route"}],"total"}, the oldest first; all
 *                          are in "total". state: "running", "waiting",
 *                          "ready", "queued". One that waits for fibers it
 *                          started says where the first of them waits.
 *                          deadline_s is what is left of the innermost, null
 *                          without one
 *   GET /stack/{id}        of a request: {"id","pid","fiber","place","state",
 *                          "waits_for","frames":[{"function","file","line"} or
 *                          {"function","object"}],"scopes":[{"name","left_s",
 *                          "cancelled"}],"children":[the same of the fibers
 *                          that work for it]}, innermost first
 *   GET /tree              {"pid","lines":["..."]}, as ed_fiber_tree()
 *   GET /conns?limit=N     {"connections":[{"pid","slot","peer","local",
 *                          "state","age_s","requests"}],"total"}; age_s in that
 *                          state
 *   POST /log-level        {"level":"debug"} -> {"ok":true,"text"}
 *
 * What is asked wrongly is {"error"} with 400, 404 or 405. Whoever may connect
 * may ask: the socket's mode is the lock on that door.
 */
#ifndef EDDY_SERVE_INSPECT_H
#define EDDY_SERVE_INSPECT_H

#include <eddy/app.h>
#include <eddy/server.h>

/* How many rows are told unless the question says how many; and the most. */
enum { ED_INSPECT_ROWS = 1000, ED_INSPECT_ROWS_MAX = 10000 };

/*
 * Makes the app: serve it with ed_app_handle and .user = app; free it with
 * ed_app_free(). It must end before `about` does, in whose loop it runs. `slot`
 * is the worker's, negative for none. Aborts without memory, as ed_app_new().
 */
ed_app *ed_inspect_app(ed_server *about, int slot);

#endif
