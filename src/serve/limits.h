/*
 * limits.h - what the system lets a server have.
 */
#ifndef EDDY_SERVE_LIMITS_H
#define EDDY_SERVE_LIMITS_H

#include "serve/settings.h"

/* How many processors this process may use, as workers by default. */
unsigned ed_processors(void);

/* Raises what can be, and warns of what is too low. */
void ed_limits_prepare(const struct ed_settings *settings);

#endif
