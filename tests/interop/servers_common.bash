# servers_common.bash - a PostgreSQL, a Redis and a MariaDB of a script's own;
# read by it.
#
#     source tests/interop/servers_common.bash
#     start_postgres max_connections=20         sets pg_dsn, pg_port, pg_pid
#     start_redis "requirepass secret"          sets redis_port, redis_socket,
#                                               redis_pid
#     start_mariadb --max-connections=200       sets mariadb_socket, mariadb_pid
#
# Servers live in $servers, a folder that vanishes with them at the script's
# end. A script that has an EXIT trap of its own calls stop_servers there. Where
# a server is not installed the script ends as skipped (77).

servers=$(mktemp -d "${TMPDIR:-/tmp}/eddy-XXXXXX")
chmod 755 "$servers"
pg_pids=()
redis_pids=()
mariadb_pids=()

stop_servers() {
    local pid
    # SIGQUIT ends a PostgreSQL at once, which clears its shared memory; SIGTERM
    # would have it wait for clients.
    for pid in "${pg_pids[@]}"; do kill -QUIT "$pid" 2>/dev/null || :; done
    for pid in "${redis_pids[@]}" "${mariadb_pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || :
    done
    for pid in "${pg_pids[@]}" "${redis_pids[@]}" "${mariadb_pids[@]}"; do
        wait "$pid" 2>/dev/null || :
    done
    rm -rf "$servers"
}
trap stop_servers EXIT

# shellcheck source=tests/interop/ports.bash
. "$(dirname "${BASH_SOURCE[0]}")/ports.bash"

# PostgreSQL refuses to run as root. A server ends with this script even when
# that has no time to say so.
as_server() { # COMMAND...
    local -a user=()
    ((EUID != 0)) || user=(--reuid=nobody --regid=nogroup --clear-groups)
    exec setpriv "${user[@]}" --pdeathsig QUIT -- "$@"
}

until_ready() { # PID LOG COMMAND...
    local _
    for _ in $(seq 400); do
        "${@:3}" >/dev/null 2>&1 && return
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    cat "$2"
    exit 1
}

# shellcheck disable=SC2034 # used by those who read this
start_postgres() { # [NAME=VALUE]...
    local folder=$servers/pg-${#pg_pids[@]} initdb bin setting
    local -a settings=()
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [[ -x $initdb ]] && bin=${initdb%/*}
    done
    [[ -n ${bin:-} ]] || { echo "PostgreSQL is not installed"; exit 77; }
    mkdir "$folder"
    ((EUID != 0)) || chown nobody:nogroup "$folder"
    (as_server "$bin/initdb" --pgdata "$folder/data" --username=postgres \
        --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
        --wal-segsize=1) >"$folder.log" 2>&1 ||
        { cat "$folder.log"; exit 1; }
    pg_port=$(free_port)
    for setting in listen_addresses=127.0.0.1 fsync=off autovacuum=off \
        shared_buffers=16MB dynamic_shared_memory_type=mmap "$@" \
        unix_socket_directories="$folder" port="$pg_port"; do
        settings+=(-c "$setting")
    done
    as_server "$bin/postgres" -D "$folder/data" "${settings[@]}" \
        >>"$folder.log" 2>&1 &
    pg_pid=$!
    pg_pids+=("$pg_pid")
    pg_dsn="host=$folder port=$pg_port user=postgres dbname=postgres"
    until_ready "$pg_pid" "$folder.log" "$bin/pg_isready" -q -d "$pg_dsn"
}

# shellcheck disable=SC2034 # used by those who read this
start_redis() { # [LINE OF redis.conf]...
    local folder=$servers/redis-${#redis_pids[@]}
    command -v redis-server redis-cli >/dev/null ||
        { echo "Redis is not installed"; exit 77; }
    mkdir "$folder"
    redis_port=$(free_port)
    redis_socket=$folder/redis.sock
    printf '%s\n' "bind 127.0.0.1" "port $redis_port" \
        "unixsocket $redis_socket" "dir $folder" "daemonize no" 'save ""' \
        "$@" >"$folder/redis.conf"
    setpriv --pdeathsig KILL -- redis-server "$folder/redis.conf" \
        >"$folder.log" 2>&1 &
    redis_pid=$!
    redis_pids+=("$redis_pid")
    until_ready "$redis_pid" "$folder.log" \
        redis-cli -s "$redis_socket" ping
}

# A MariaDB that speaks on a Unix socket alone; root may enter without a
# password.
# shellcheck disable=SC2034 # used by those who read this
start_mariadb() { # [--OPTION=VALUE]...
    local folder=$servers/mariadb-${#mariadb_pids[@]}
    local -a user=()
    command -v mariadbd mariadb-install-db mariadb-admin >/dev/null ||
        { echo "MariaDB is not installed"; exit 77; }
    ((EUID != 0)) || user=(--user=nobody)
    mkdir "$folder"
    ((EUID != 0)) || chown nobody:nogroup "$folder"
    mariadb-install-db --no-defaults "${user[@]}" --datadir="$folder/data" \
        --auth-root-authentication-method=normal --skip-test-db \
        >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    mariadb_socket=$folder/mariadb.sock
    setpriv --pdeathsig KILL -- mariadbd --no-defaults "${user[@]}" \
        --datadir="$folder/data" --socket="$mariadb_socket" \
        --skip-networking --pid-file="$folder/pid" --tmpdir="$folder" \
        --innodb-flush-method=fsync --performance-schema=OFF "$@" \
        >>"$folder.log" 2>&1 &
    mariadb_pid=$!
    mariadb_pids+=("$mariadb_pid")
    until_ready "$mariadb_pid" "$folder.log" \
        mariadb-admin --no-defaults --user=root --socket="$mariadb_socket" ping
}
