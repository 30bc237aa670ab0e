/*
 * main.c - chat: rooms by name, with history and presence, in a browser.
 *
 *     chat --listen :8080                         # one process
 *     chat --listen :8081 --redis redis://localhost
 *     chat --listen :8082 --redis redis://localhost   # the same rooms
 *
 *     /                   the page
 *     /rooms              the rooms there are, as JSON
 *     /ws/NAME            a room, by WebSocket: ?name=Ada&after=ID
 *     /events/NAME        the same to look at only, by server-sent events
 *     /poll/NAME          and by long polling: ?after=ID
 */
#include "chat.h"

int main(int argc, char **argv)
{
    static const char *redis;
    ed_app *app = chat_app(&redis);

    ed_option(app, "redis", &redis, "URL",
              "one chat with other processes, by this Redis");
    /* Without Redis one process has it all. */
    ed_setting(app, "workers", "1");
    return ed_main(app, argc, argv);
}
