/*
 * conditions.h - what a request makes its answer depend on (RFC 9110, 13).
 */
#ifndef EDDY_APP_CONDITIONS_H
#define EDDY_APP_CONDITIONS_H

#include <eddy/http.h>

/* What is there now. */
struct ed_validators {
    struct ed_bytes tag; /* entity tag, quotes included */
    int64_t modified;    /* seconds since 1970 */
};

enum ed_condition {
    ED_CONDITION_MET,
    ED_CONDITION_NOT_MODIFIED, /* 304: the client has it */
    ED_CONDITION_FAILED,       /* 412 */
};

/* Judges a GET or HEAD by its conditional fields, in their order of precedence
 * (13.2.2). Dates that are none are as if absent. */
enum ed_condition ed_conditions_judge(const ed_req *req,
                                      const struct ed_validators *now);

/*
 * Whether the Range field of a GET counts, as far as If-Range goes (13.1.5).
 * A date counts only if it is that of the last change and at least a second
 * old by then: within that second there may have been another change.
 */
bool ed_conditions_allow_range(const ed_req *req,
                               const struct ed_validators *now);

#endif
