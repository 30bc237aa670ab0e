/*
 * main.c - feed: a live wall of messages, from one source to many browsers.
 *
 *     feed                        shows made-up messages, 20 a second
 *     feed --source URL           those of a stream of server-sent events, or
 *                                 of lines of JSON, such as
 *                        https://stream.wikimedia.org/v2/stream/recentchange
 */
#include "feed.h"

int main(int argc, char **argv)
{
    static struct feed feed = {.replay.rate = "20"};
    ed_app *app = feed_app(&feed);

    ed_option(app, "source", &feed.url, "URL",
              "where messages come from: server-sent events or NDJSON\n"
              "(made-up ones)");
    ed_option(app, "rate", &feed.replay.rate, "N",
              "made-up messages a second, 1 to 10000, also to be had at\n"
              "/replay/events and /replay/lines (20)");
    ed_option(app, "keep", &feed.file, "FILE",
              "where the last messages are kept over a restart (nowhere)");
    ed_setting(app, "workers", "1"); /* all see the same messages */
    return ed_main(app, argc, argv);
}
