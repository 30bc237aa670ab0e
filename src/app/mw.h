/*
 * mw.h - what ready-made middleware shares.
 */
#ifndef EDDY_APP_MW_H
#define EDDY_APP_MW_H

#include "app/app_internal.h"
#include "http/reply_fields.h"
#include "http/reply_filter.h"

#include <eddy/middleware.h>

ed_app *mw_app(struct ed_where where);

/* Memory of the app's; aborts when there is none. */
#define MW_NEW(where, type) ((type *)mw_zalloc((where), sizeof(type)))
void *mw_zalloc(struct ed_where where, size_t size);
const char *mw_copy(struct ed_where where, const char *text);

/* Adds a layer there. Returns 0. */
int mw_before(struct ed_where where, ed_before_fn *fn, void *arg);
int mw_around(struct ed_where where, ed_around_fn *fn, void *arg);

/* Logs what is wrong with the options; the app will not start. Returns
 * ED_EUSAGE. */
int mw_refuse(struct ed_where where, const char *fmt, ...) ED_PRINTF(2, 3);

/* Takes the next word off a list separated by commas and white space; false at
 * its end. */
bool mw_word(struct ed_bytes *list, struct ed_bytes *word);

/* Whether a list has a word, in any case. */
bool mw_has_word(const char *list, struct ed_bytes word);

#endif
