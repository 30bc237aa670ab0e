/*
 * socket.h - streams straight on a descriptor: sockets, pipes, terminals.
 */
#ifndef EDDY_NET_SOCKET_H
#define EDDY_NET_SOCKET_H

#include "net/stream.h"

/* Makes a stream of a connected, non-blocking stream socket, which it owns
 * from then on. 0, ED_ENOMEM or -errno, the socket then still being the
 * caller's. */
ED_CHECK int ed_socket_stream(ed_stream **out, ed_loop *loop, int fd);

/* Waits for the end of the connect(2) that was begun on the stream's socket.
 * Suspends. 0, ED_ECANCELED, ED_ETIMEOUT or -errno. */
ED_CHECK int ed_socket_connected(ed_stream *s);

/* Waiting listeners that are out of descriptors hear that one is free. */
void ed_listeners_descriptor_freed(void);

#endif
