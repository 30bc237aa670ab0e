# ports.bash - ports for the servers of tests; read by scripts.

# A TCP port of 127.0.0.1 that nobody has. It is below those the system gives
# to whoever wants any, so that it is still free when the server comes.
free_port() {
    python3 - <<'PYTHON'
import random
import socket

while True:
    port = random.randrange(10240, 32768)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PYTHON
}
