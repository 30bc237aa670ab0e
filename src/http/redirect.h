/*
 * redirect.h - where a response leads, and what is asked for there.
 */
#ifndef EDDY_HTTP_REDIRECT_H
#define EDDY_HTTP_REDIRECT_H

#include "http/journey.h"

/* Whether a response has a status that leads elsewhere: 301, 302, 303, 307 or
 * 308 (RFC 9110, 15.4). */
static inline bool ed_redirect_is(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

/*
 * Changes what the journey sends next by what the response says: URL, method,
 * body, and what may be known to who is there. May suspend when the body has to
 * be made ready again.
 *
 * Returns 1; 0 when the response leads nowhere and is to be given as it is, or
 *   ED_EREDIRECT  more of them than the client follows
 *   ED_EUSAGE     a body that cannot be sent again
 *   ED_ENOMEM, or what `rewind` returns
 */
ED_CHECK int ed_redirect_follow(struct ed_journey *journey, const ed_res *res);

/*
 * Takes the user information out of the URL that is asked for first and makes
 * it the user and password of the fetch, unless it has some. 0, ED_ENOMEM, or
 * ED_EURL, with a text that does not tell it.
 */
ED_CHECK int ed_redirect_take_userinfo(struct ed_journey *journey);

#endif
