/*
 * chat.h - what the files of this service share.
 */
#ifndef CHAT_H
#define CHAT_H

#include <eddy/app.h>

/*
 * The app, of which there is one. `*url` names the Redis by which it is one
 * chat with those of other processes, or is NULL; it is looked at when the app
 * starts. Paths are relative, so it can be mounted anywhere.
 */
ed_app *chat_app(const char *const *url);

#endif
