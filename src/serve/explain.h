/*
 * explain.h - the app that stands in for one that cannot be built or started,
 * and says why: a page for a browser, text for others.
 */
#ifndef EDDY_SERVE_EXPLAIN_H
#define EDDY_SERVE_EXPLAIN_H

#include <eddy/app.h>

struct ed_explanation {
    unsigned number;     /* of all there have been: pages see that it changed */
    const char *heading; /* what is wrong, in a sentence */
    const char *text;    /* what a command or program said */
};

/*
 * An app that answers every request with 500 and the explanation, which stays
 * as long as the app. Its page loads itself again when there is something
 * else to be seen. NULL: no memory. To be freed with ed_app_free().
 */
ed_app *ed_explain_app(const struct ed_explanation *why);

#endif
