# Completion for bash: of eddy, and of programs with ed_main() by
#
#     complete -F _eddy_program PROGRAM
#
# shellcheck shell=bash

# [settings]
_eddy_commands='console ctl demo fetch help serve top version'
_eddy_ctl_commands='status stats watch workers ps stack tree conns reload scale worker-stop drain resume log-level reopen upgrade stop'
_eddy_levels='debug info warn error off'
declare -gA _eddy_options=(
    [serve]='--listen --certfile --keyfile --workers --preload --backlog
        --start-timeout --drain-timeout --ready-delay --hang-timeout
        --max-requests --max-requests-jitter --max-age --max-memory
        --upgrade-wait --max-connections --max-in-flight --adaptive
        --queue-limit --queue-timeout --vital --request-timeout --head-timeout
        --body-timeout --idle-timeout --write-timeout --max-body --max-head
        --wsgi --threads --python-path --virtualenv --script-name --static
        --spool-above --spool-dir --reply-buffer --reply-spool --stuck-after
        --trusted-proxies --proxy-fields --log --log-file --access-log
        --access-log-format --admin --admin-hosts --admin-token --ctl --otlp
        --trace-sample --service-name --statsd --statsd-prefix --reload
        --reload-command --reload-path --reload-ignore --user --group --umask
        --chroot --sandbox --sandbox-read --sandbox-write --single --workdir
        --pidfile --config --check --print-config --help --version'
    [fetch]='--output --json --limit --header --request --head --data --form
        --upload-file --range --user-agent --raw --location --max-redirs
        --user --digest --anyauth --oauth2-bearer --cookie --cookie-jar
        --insecure --cacert --cert --key --pinnedpubkey --proxy --noproxy
        --resolve --interface --timeout --connect-timeout --retry --help'
    [console]='--socket --port --write --help'
    [ctl]='--socket --json --sort --limit --chain --no-wait --help'
    [demo]='--listen --services --source --rate --redis --help'
    [top]='--socket --help'
)
# What follows an option that takes a value.
declare -gA _eddy_values=(
    ['serve --listen']=any
    ['serve --certfile']=files
    ['serve --keyfile']=files
    ['serve --workers']=any
    ['serve -w']=any
    ['serve --backlog']=any
    ['serve --start-timeout']=any
    ['serve --drain-timeout']=any
    ['serve --ready-delay']=any
    ['serve --hang-timeout']=any
    ['serve --max-requests']=any
    ['serve --max-requests-jitter']=any
    ['serve --max-age']=any
    ['serve --max-memory']=any
    ['serve --max-connections']=any
    ['serve --max-in-flight']=any
    ['serve --queue-limit']=any
    ['serve --queue-timeout']=any
    ['serve --vital']=files
    ['serve --request-timeout']=any
    ['serve --head-timeout']=any
    ['serve --body-timeout']=any
    ['serve --idle-timeout']=any
    ['serve --write-timeout']=any
    ['serve --max-body']=any
    ['serve --max-head']=any
    ['serve --wsgi']=any
    ['serve --threads']=any
    ['serve -t']=any
    ['serve --python-path']=directories
    ['serve --virtualenv']=directories
    ['serve --script-name']=any
    ['serve --static']=any
    ['serve --spool-above']=any
    ['serve --spool-dir']=directories
    ['serve --reply-buffer']=any
    ['serve --reply-spool']=any
    ['serve --stuck-after']=any
    ['serve --trusted-proxies']=any
    ['serve --proxy-fields']=any
    ['serve --log']=levels
    ['serve --log-file']=files
    ['serve --access-log']=files
    ['serve --access-log-format']=any
    ['serve --admin']=any
    ['serve --admin-hosts']=any
    ['serve --admin-token']=files
    ['serve --ctl']=files
    ['serve --otlp']=any
    ['serve --trace-sample']=any
    ['serve --service-name']=any
    ['serve --statsd']=any
    ['serve --statsd-prefix']=any
    ['serve --reload-command']=any
    ['serve --reload-path']=files
    ['serve --reload-ignore']=any
    ['serve --user']=any
    ['serve --group']=any
    ['serve --umask']=any
    ['serve --chroot']=directories
    ['serve --sandbox-read']=files
    ['serve --sandbox-write']=files
    ['serve --workdir']=directories
    ['serve --pidfile']=files
    ['serve --config']=files
    ['fetch --output']=files
    ['fetch -o']=files
    ['fetch --limit']=any
    ['fetch --header']=any
    ['fetch -H']=any
    ['fetch --request']=any
    ['fetch -X']=any
    ['fetch --data']=files
    ['fetch -d']=files
    ['fetch --form']=any
    ['fetch -F']=any
    ['fetch --upload-file']=files
    ['fetch -T']=files
    ['fetch --range']=any
    ['fetch -r']=any
    ['fetch --user-agent']=any
    ['fetch -A']=any
    ['fetch --max-redirs']=any
    ['fetch --user']=any
    ['fetch -u']=any
    ['fetch --oauth2-bearer']=any
    ['fetch --cookie']=files
    ['fetch -b']=files
    ['fetch --cookie-jar']=files
    ['fetch -c']=files
    ['fetch --cacert']=files
    ['fetch --cert']=files
    ['fetch -E']=files
    ['fetch --key']=files
    ['fetch --pinnedpubkey']=any
    ['fetch --proxy']=any
    ['fetch -x']=any
    ['fetch --noproxy']=any
    ['fetch --resolve']=any
    ['fetch --interface']=any
    ['fetch --timeout']=any
    ['fetch -m']=any
    ['fetch --connect-timeout']=any
    ['fetch --retry']=any
    ['console --socket']=files
    ['console --port']=any
    ['ctl --socket']=files
    ['ctl --sort']=any
    ['ctl --limit']=any
    ['demo --listen']=any
    ['demo --services']=any
    ['demo --source']=any
    ['demo --rate']=any
    ['demo --redis']=any
    ['top --socket']=files
)
# [/settings]

# What may stand behind an option, for the word $1.
_eddy_value() { # WORD KIND
    case $2 in
    files)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$1")
        ;;
    directories)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$1")
        ;;
    levels) mapfile -t COMPREPLY < <(compgen -W "$_eddy_levels" -- "$1") ;;
    esac
}

_eddy_words() { # WORD WORDS
    mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# Options of a command and their values; fails where neither can stand. Where
# '=' parts words, as it does by default, --name=value is three of them.
_eddy_option() { # COMMAND
    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $word == = ]]; then
        word=
    elif [[ $option == = ]] && ((COMP_CWORD > 1)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ -n ${_eddy_values["$1 $option"]:-} ]]; then
        _eddy_value "$word" "${_eddy_values["$1 $option"]}"
    elif [[ $word == -* ]]; then
        _eddy_words "$word" "${_eddy_options[$1]}"
    else
        return 1
    fi
}

# The word of eddy ctl that says what to do; nothing before there is one.
_eddy_ctl_command() {
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [[ " $_eddy_ctl_commands " == *" ${COMP_WORDS[i]} "* ]]; then
            echo "${COMP_WORDS[i]}"
            return
        fi
    done
}

_eddy() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _eddy_words "$word" "$_eddy_commands"
        return
    fi
    if [[ -n ${_eddy_options[$command]:-} ]] && _eddy_option "$command"; then
        return
    fi
    case $command in
    help) _eddy_words "$word" "$_eddy_commands" ;;
    serve) _eddy_value "$word" files ;;
    ctl)
        case $(_eddy_ctl_command) in
        '') _eddy_words "$word" "$_eddy_ctl_commands" ;;
        log-level) _eddy_words "$word" "$_eddy_levels" ;;
        esac
        ;;
    esac
}

_eddy_program() {
    COMPREPLY=()
    _eddy_option serve || true
}

complete -F _eddy eddy
