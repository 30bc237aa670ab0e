/*
 * html.h - text made fit for a page.
 */
#ifndef EDDY_WIRE_HTML_H
#define EDDY_WIRE_HTML_H

#include <eddy/bytes.h>

/* Appends a text so that it stands for itself between tags and in quotes. A
 * byte that is not part of valid UTF-8 becomes U+FFFD. 0 or ED_ENOMEM. */
ED_CHECK int ed_html_add(struct ed_buf *out, struct ed_bytes text);

#endif
