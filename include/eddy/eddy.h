/*
 * eddy.h - all of Eddy's public interface.
 */
#ifndef EDDY_EDDY_H
#define EDDY_EDDY_H

#include <eddy/addr.h>
#include <eddy/api.h>
#include <eddy/app.h>
#include <eddy/arena.h>
#include <eddy/blocking.h>
#include <eddy/bytes.h>
#include <eddy/chan.h>
#include <eddy/client.h>
#include <eddy/clock.h>
#include <eddy/dns.h>
#include <eddy/error.h>
#include <eddy/event_source.h>
#include <eddy/fiber.h>
#include <eddy/file.h>
#include <eddy/form.h>
#include <eddy/future.h>
#include <eddy/history.h>
#include <eddy/http.h>
#include <eddy/jar.h>
#include <eddy/json.h>
#include <eddy/log.h>
#include <eddy/loop.h>
#include <eddy/map.h>
#include <eddy/middleware.h>
#include <eddy/offload.h>
#include <eddy/patch.h>
#include <eddy/pg.h>
#include <eddy/pg_copy.h>
#include <eddy/pg_listen.h>
#include <eddy/pg_value.h>
#include <eddy/process.h>
#include <eddy/queue.h>
#include <eddy/rate_limit.h>
#include <eddy/redis.h>
#include <eddy/redis_pubsub.h>
#include <eddy/redis_stream.h>
#include <eddy/room.h>
#include <eddy/rows.h>
#include <eddy/sentry.h>
#include <eddy/server.h>
#include <eddy/signal.h>
#include <eddy/sse.h>
#include <eddy/static.h>
#include <eddy/stream.h>
#include <eddy/sync.h>
#include <eddy/testing.h>
#include <eddy/tls.h>
#include <eddy/trace.h>
#include <eddy/ws.h>

#endif
